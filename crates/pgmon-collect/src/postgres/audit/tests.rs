//! One role per right: each must be found, named, and told apart from what PUBLIC has.

mod remedies;

use super::{Audit, RightKind, Verdict, Via};
use crate::postgres::facts::Facts;
use crate::postgres::session::{Guard, Session};
use anyhow::{Context as _, Result};
use pgmon_testkit::{Major, Server, Tier, on_each_major};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

struct Audited {
    audit: Audit,
    facts: Facts,
}

/// By the unix socket, which asks for no password: dozens of logins would take their time.
async fn connect_as(server: &Server, role: &str) -> Result<Session> {
    let guard = Guard { lock_timeout: Duration::from_millis(500), pooled: false };
    Ok(Session::connect(&server.connect_options("shop").username(role), guard, LIMIT).await?)
}

async fn audit_as(server: &Server, role: &str) -> Result<Audited> {
    let mut session = connect_as(server, role).await?;
    let facts = Facts::read(&mut session, LIMIT).await?;
    let audit = Audit::read(&mut session, &facts, LIMIT).await?;
    session.close().await;
    Ok(Audited { audit, facts })
}

/// A server with a database `shop` in which an application owns a few things of every kind.
async fn shop(major: Major) -> Result<Server> {
    let server = Server::start(major).await?;
    server.create_database("shop").await?;
    server
        .exec(
            "shop",
            r#"
            CREATE ROLE app;
            CREATE SCHEMA "we ird";
            GRANT CREATE ON SCHEMA public TO app;
            CREATE TABLE public.orders (id int PRIMARY KEY, price numeric);
            ALTER TABLE public.orders OWNER TO app;
            CREATE TABLE "we ird"."it""ems" (id int, "na me" text);
            CREATE VIEW public.cheap AS SELECT * FROM public.orders;
            CREATE SEQUENCE public.numbers;
            CREATE FUNCTION public.touch() RETURNS void LANGUAGE sql SECURITY DEFINER
                AS 'DELETE FROM "we ird"."it""ems"';
            REVOKE EXECUTE ON FUNCTION public.touch() FROM PUBLIC;
            CREATE FUNCTION public.on_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                AS 'BEGIN RETURN NEW; END';
            CREATE FOREIGN DATA WRAPPER wrapper;
            CREATE SERVER far FOREIGN DATA WRAPPER wrapper;
            SELECT lo_create(4711);
            "#,
        )
        .await?;
    Ok(server)
}

struct Case {
    /// From which version on there is such a right.
    since: u8,
    /// What a superuser grants; `{r}` stands for the role.
    grant: &'static str,
    kind: RightKind,
    /// What the line that names the right must contain.
    says: &'static [&'static str],
}

const fn case(since: u8, grant: &'static str, kind: RightKind, says: &'static [&'static str]) -> Case {
    Case { since, grant, kind, says }
}

const REFUSED: &[Case] = &[
    case(12, "ALTER ROLE {r} SUPERUSER", RightKind::Attribute, &["SUPERUSER"]),
    case(12, "ALTER ROLE {r} CREATEDB", RightKind::Attribute, &["CREATEDB"]),
    case(12, "ALTER ROLE {r} CREATEROLE", RightKind::Attribute, &["CREATEROLE"]),
    case(12, "ALTER ROLE {r} REPLICATION", RightKind::Attribute, &["REPLICATION"]),
    case(12, "ALTER ROLE {r} BYPASSRLS", RightKind::Attribute, &["BYPASSRLS"]),
    case(12, "GRANT pg_write_server_files TO {r}", RightKind::PredefinedRole, &["pg_write_server_files"]),
    case(
        12,
        "GRANT pg_execute_server_program TO {r}",
        RightKind::PredefinedRole,
        &["pg_execute_server_program"],
    ),
    case(12, "GRANT pg_signal_backend TO {r}", RightKind::PredefinedRole, &["pg_signal_backend"]),
    case(14, "GRANT pg_write_all_data TO {r}", RightKind::PredefinedRole, &["pg_write_all_data"]),
    case(15, "GRANT pg_checkpoint TO {r}", RightKind::PredefinedRole, &["pg_checkpoint"]),
    case(16, "GRANT pg_create_subscription TO {r}", RightKind::PredefinedRole, &["pg_create_subscription"]),
    case(17, "GRANT pg_maintain TO {r}", RightKind::PredefinedRole, &["pg_maintain"]),
    case(18, "GRANT pg_signal_autovacuum_worker TO {r}", RightKind::PredefinedRole, &["autovacuum"]),
    // A hidden way: neither inherits, yet SET ROLE leads to the attribute and to the tables.
    case(
        12,
        "CREATE ROLE {r}_mid NOINHERIT; CREATE ROLE {r}_top NOINHERIT CREATEDB; ALTER ROLE {r} NOINHERIT; \
         GRANT {r}_top TO {r}_mid; GRANT {r}_mid TO {r}",
        RightKind::Attribute,
        &["CREATEDB", "through role", "_top"],
    ),
    case(
        12,
        "ALTER ROLE {r} NOINHERIT; GRANT app TO {r}",
        RightKind::Ownership,
        &["owns table public.orders", "through role \"app\""],
    ),
    case(
        12,
        "CREATE ROLE {r}_w NOINHERIT; ALTER ROLE {r} NOINHERIT; GRANT DELETE ON \"we ird\".\"it\"\"ems\" TO {r}_w; \
         GRANT {r}_w TO {r}",
        RightKind::Table,
        &["DELETE on table \"we ird\".\"it\"\"ems\"", "_w"],
    ),
    case(
        16,
        "GRANT app TO {r} WITH INHERIT FALSE, SET TRUE",
        RightKind::Ownership,
        &["owns table public.orders", "app"],
    ),
    case(
        16,
        "GRANT app TO {r} WITH INHERIT TRUE, SET FALSE",
        RightKind::Ownership,
        &["owns table public.orders", "app"],
    ),
    // Whoever may grant a role can grant it to itself.
    case(
        16,
        "GRANT app TO {r} WITH INHERIT FALSE, SET FALSE, ADMIN TRUE",
        RightKind::Ownership,
        &["owns table public.orders", "app"],
    ),
    case(12, "GRANT pg_monitor TO {r} WITH ADMIN OPTION", RightKind::RoleAdmin, &["pg_monitor"]),
    case(12, "GRANT INSERT ON public.orders TO {r}", RightKind::Table, &["INSERT on table public.orders"]),
    case(12, "GRANT UPDATE, DELETE ON public.orders TO {r}", RightKind::Table, &["DELETE, UPDATE"]),
    case(12, "GRANT TRUNCATE ON public.orders TO {r}", RightKind::Table, &["TRUNCATE"]),
    case(12, "GRANT TRIGGER ON public.orders TO {r}", RightKind::Table, &["TRIGGER"]),
    case(12, "GRANT REFERENCES ON public.orders TO {r}", RightKind::Table, &["REFERENCES"]),
    case(17, "GRANT MAINTAIN ON public.orders TO {r}", RightKind::Table, &["MAINTAIN"]),
    case(12, "GRANT UPDATE ON public.cheap TO {r}", RightKind::Table, &["public.cheap"]),
    case(12, "GRANT SELECT ON public.orders TO {r} WITH GRANT OPTION", RightKind::Table, &["GRANT OPTION"]),
    case(
        12,
        "GRANT UPDATE (\"na me\") ON \"we ird\".\"it\"\"ems\" TO {r}",
        RightKind::Column,
        &["UPDATE (\"na me\")", "\"we ird\".\"it\"\"ems\""],
    ),
    case(
        12,
        "GRANT INSERT (id) ON public.orders TO pg_monitor",
        RightKind::Column,
        &["INSERT (id)", "pg_monitor"],
    ),
    case(
        12,
        "GRANT USAGE ON SEQUENCE public.numbers TO {r}",
        RightKind::Sequence,
        &["USAGE on sequence public.numbers"],
    ),
    case(12, "GRANT UPDATE ON SEQUENCE public.numbers TO {r}", RightKind::Sequence, &["UPDATE"]),
    case(12, "GRANT CREATE ON SCHEMA \"we ird\" TO {r}", RightKind::Schema, &["CREATE on schema \"we ird\""]),
    case(12, "GRANT CREATE ON DATABASE shop TO {r}", RightKind::Database, &["CREATE on database shop"]),
    case(12, "GRANT CREATE ON TABLESPACE pg_default TO {r}", RightKind::Tablespace, &["pg_default"]),
    case(12, "ALTER TABLE \"we ird\".\"it\"\"ems\" OWNER TO {r}", RightKind::Ownership, &["owns table"]),
    case(12, "ALTER FUNCTION public.on_change() OWNER TO {r}", RightKind::Ownership, &["public.on_change()"]),
    case(12, "ALTER DATABASE shop OWNER TO {r}", RightKind::Ownership, &["database shop"]),
    case(12, "ALTER LARGE OBJECT 4711 OWNER TO {r}", RightKind::Ownership, &["large object 4711"]),
    case(
        12,
        "GRANT UPDATE ON LARGE OBJECT 4711 TO {r}",
        RightKind::LargeObject,
        &["UPDATE on large object 4711"],
    ),
    case(
        12,
        "GRANT EXECUTE ON FUNCTION public.touch() TO {r}",
        RightKind::SecurityDefiner,
        &["public.touch()", "as postgres"],
    ),
    case(
        12,
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO {r}",
        RightKind::AdminFunction,
        &["pg_reload_conf()"],
    ),
    case(12, "CREATE USER MAPPING FOR {r} SERVER far", RightKind::UserMapping, &["foreign server far"]),
    case(12, "GRANT USAGE ON FOREIGN SERVER far TO {r}", RightKind::ForeignServer, &["far"]),
    case(
        12,
        "GRANT USAGE ON FOREIGN DATA WRAPPER wrapper TO {r}",
        RightKind::ForeignDataWrapper,
        &["wrapper"],
    ),
    case(15, "GRANT SET ON PARAMETER log_min_duration_statement TO {r}", RightKind::Parameter, &["SET on"]),
    case(
        15,
        "GRANT ALTER SYSTEM ON PARAMETER work_mem TO {r}",
        RightKind::Parameter,
        &["ALTER SYSTEM", "work_mem"],
    ),
];

on_each_major! {
    async fn a_role_with_any_right_to_write_is_refused_and_the_right_is_named(major: Major) -> Result<()> {
        let server = shop(major).await?;
        for (i, case) in REFUSED.iter().enumerate().filter(|(_, c)| Major(c.since) <= major) {
            let role = format!("r{i}");
            let create = format!("CREATE ROLE {role} LOGIN; GRANT pg_monitor TO {role};");
            server.exec("shop", &(create + &case.grant.replace("{r}", &role))).await?;
            let Audited { audit, .. } = audit_as(&server, &role).await.context(case.grant)?;
            let lines = audit.rights_text();
            let case_text = format!("{} on {major}: {lines:#?}", case.grant);
            assert_eq!(audit.verdict(), Verdict::CanWrite, "{case_text}");
            let named = lines.iter().any(|l| case.says.iter().all(|s| l.contains(s)));
            assert!(named, "{:?} is not named by {case_text}", case.says);
            // It is the only one, unless it is the membership in a role with several.
            let several = lines.iter().any(|l| l.contains("\"app\""));
            assert!(several || audit.refused.iter().all(|r| r.kind == case.kind), "{case_text}");
            assert!(several || lines.len() == 1, "{case_text}");
            // Undone, nothing is left.
            let undo = format!(
                "REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}; \
                 REVOKE INSERT (id) ON public.orders FROM pg_monitor"
            );
            server.exec("shop", &undo).await?;
        }
        Ok(())
    }
}

on_each_major! {
    async fn a_monitoring_role_passes_and_what_public_has_is_warned_of(major: Major) -> Result<()> {
        let server = shop(major).await?;
        for (role, tier) in [("t0", Tier::T0), ("t1", Tier::T1)] {
            server.create_monitor(role, tier).await?;
            let Audited { audit, .. } = audit_as(&server, role).await?;
            assert_eq!(audit.verdict(), Verdict::ReadOnly, "{:#?}", audit.refused);
            let revokes: Vec<&str> = audit.warnings.iter().map(|w| w.revoke_sql.as_str()).collect();
            let expected: &[&str] =
                if major < Major(15) { &["REVOKE CREATE ON SCHEMA public FROM PUBLIC;"] } else { &[] };
            assert_eq!(revokes, expected);
        }
        Ok(())
    }
}

on_each_major! {
    async fn the_printed_revokes_make_the_warnings_vanish(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server
            .exec(
                "shop",
                r#"
                GRANT CREATE ON SCHEMA "we ird" TO PUBLIC;
                GRANT CREATE ON DATABASE shop TO PUBLIC;
                GRANT INSERT, SELECT ON public.orders TO PUBLIC;
                GRANT UPDATE (price, id) ON public.orders TO PUBLIC;
                GRANT UPDATE ON SEQUENCE public.numbers TO PUBLIC;
                GRANT EXECUTE ON FUNCTION public.touch() TO PUBLIC;
                CREATE TYPE public."od d" AS ENUM ('a');
                CREATE PROCEDURE public."Do it"(public."od d", VARIADIC text[]) LANGUAGE sql SECURITY DEFINER
                    AS 'DELETE FROM public.orders';
                -- Nobody but its owner can name a function in here.
                CREATE SCHEMA hidden;
                CREATE FUNCTION hidden.touch() RETURNS void LANGUAGE sql SECURITY DEFINER
                    AS 'DELETE FROM public.orders';
                GRANT EXECUTE ON FUNCTION pg_catalog.pg_rotate_logfile() TO PUBLIC;
                GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO pgmon;
                CREATE USER MAPPING FOR PUBLIC SERVER far;
                GRANT USAGE ON FOREIGN SERVER far TO PUBLIC;
                GRANT USAGE ON FOREIGN DATA WRAPPER wrapper TO PUBLIC;
                GRANT UPDATE ON LARGE OBJECT 4711 TO PUBLIC;
                GRANT CREATE ON TABLESPACE pg_default TO PUBLIC;
                GRANT pg_read_server_files TO pgmon;
                ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT INSERT, SELECT ON TABLES TO pgmon;
                ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT UPDATE ON SEQUENCES TO PUBLIC;
                "#,
            )
            .await?;
        if major >= Major(15) {
            let sql = "GRANT SET ON PARAMETER log_min_duration_statement TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC";
            server.exec("shop", sql).await?;
        }
        let Audited { audit, facts } = audit_as(&server, "pgmon").await?;
        assert_eq!(audit.verdict(), Verdict::ReadOnly, "{:#?}", audit.refused);
        let expected = if major >= Major(15) { 20 } else { 19 };
        let text: Vec<String> = audit.warnings.iter().map(|w| w.right.to_string()).collect();
        assert_eq!(text.len(), expected, "{text:#?}");
        assert!(!text.iter().any(|t| t.contains("hidden") || t.contains("on_change")), "{text:#?}");
        assert_eq!(audit.warnings(&facts).len(), expected);
        for warning in &audit.warnings {
            server.exec("shop", &warning.revoke_sql).await.with_context(|| format!("{warning:?}"))?;
        }
        let Audited { audit, .. } = audit_as(&server, "pgmon").await?;
        assert_eq!(audit.warnings, [], "on {major}");
        Ok(())
    }
}

on_each_major! {
    async fn a_membership_that_gives_nothing_is_no_right(major: Major) -> Result<()> {
        if major < Major(16) {
            return Ok(());
        }
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        // A member by name only; and SET ROLE does not lead through a role that is only inherited from.
        server
            .exec(
                "shop",
                "GRANT app TO pgmon WITH INHERIT FALSE, SET FALSE; CREATE ROLE team; \
                 GRANT team TO pgmon WITH INHERIT TRUE, SET FALSE; GRANT app TO team WITH INHERIT FALSE, SET TRUE",
            )
            .await?;
        assert!(server.query::<bool>("shop", "SELECT pg_has_role('pgmon', 'app', 'MEMBER')").await?);
        let Audited { audit, .. } = audit_as(&server, "pgmon").await?;
        assert_eq!(audit.refused, []);
        // One link more, and the chain carries.
        server.exec("shop", "GRANT team TO pgmon WITH SET TRUE").await?;
        let Audited { audit, .. } = audit_as(&server, "pgmon").await?;
        assert_eq!(audit.verdict(), Verdict::CanWrite);
        assert!(audit.refused.iter().all(|r| r.via == Via::Role("app".into())), "{:#?}", audit.refused);
        Ok(())
    }
}

on_each_major! {
    async fn what_is_owned_in_another_database_counts(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server.exec("postgres", "CREATE TABLE a (id int); ALTER TABLE a OWNER TO pgmon").await?;
        let Audited { audit, .. } = audit_as(&server, "pgmon").await?;
        assert_eq!(audit.rights_text(), ["owns 1 object in database postgres"]);
        Ok(())
    }
}

on_each_major! {
    async fn rights_of_the_login_role_count_after_set_role(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server.exec("shop", "CREATE ROLE meek; GRANT meek TO pgmon; ALTER ROLE pgmon SET role = meek; GRANT INSERT ON public.orders TO pgmon").await?;
        let Audited { audit, facts } = audit_as(&server, "pgmon").await?;
        assert_eq!(facts.role, "meek");
        assert_eq!(audit.rights_text(), ["has INSERT on table public.orders"]);
        Ok(())
    }
}

on_each_major! {
    async fn two_thousand_tables_are_listed_briefly_and_fast(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("reader", Tier::T0).await?;
        server.create_monitor("writer", Tier::T0).await?;
        server
            .exec(
                "shop",
                "DO $$ BEGIN FOR i IN 1..2000 LOOP \
                   EXECUTE format('CREATE TABLE public.t%s (a int, b int, c int, d int, e int)', i); \
                   IF i % 100 = 0 THEN COMMIT; END IF; \
                 END LOOP; END $$",
            )
            .await
            .ok();
        let tables: i64 = server.query("shop", "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'").await?;
        assert_eq!(tables, 2000);
        server.exec("shop", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader, app").await?;
        server.exec("shop", "GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO writer").await?;
        for role in ["reader", "writer"] {
            let mut session = connect_as(&server, role).await?;
            let facts = Facts::read(&mut session, LIMIT).await?;
            let mut audit = Audit::default();
            // The first one fills the backend's caches and plans; an hour later it does not.
            for turn in ["first", "later"] {
                let before = server.backend_cpu(facts.backend_pid)?;
                audit = Audit::read(&mut session, &facts, LIMIT).await?;
                let spent = Duration::from_nanos(server.backend_cpu(facts.backend_pid)? - before);
                println!("{major} {role}, {turn}: {spent:?} of the backend's CPU");
                assert!(spent < Duration::from_millis(500), "{spent:?}");
            }
            if role == "reader" {
                assert_eq!(audit.refused, []);
                continue;
            }
            let lines = audit.rights_text();
            assert_eq!(lines.len(), 6, "{lines:#?}");
            assert_eq!(lines[5], "and 1997 more of the kind: table");
        }
        Ok(())
    }
}
