//! The printed remedies, run on real servers: afterwards the audit passes.

use super::super::{Audit, Verdict};
use super::{Audited, REFUSED, audit_as, shop};
use crate::postgres::quote_ident;
use crate::postgres::setup_sql::tests::psql;
use anyhow::{Context as _, Result};
use pgmon_testkit::{Major, Server, Tier, on_each_major};

/// Runs the remedy as the one who pastes it does, and answers the role that pgmon then uses and its audit.
async fn mend(server: &Server, Audited { audit, facts }: &Audited) -> Result<(String, Audited)> {
    assert_eq!(audit.verdict(), Verdict::CanWrite);
    let role = audit.new_role().unwrap_or(&facts.role).to_owned();
    // What was printed is pasted twice by some.
    for _ in 0..2 {
        psql(server, &audit.remedy_sql(facts))?;
    }
    let audited = audit_as(server, &role).await?;
    Ok((role, audited))
}

fn passes(audited: &Audited, what: &str) {
    assert_eq!(audited.audit.refused, [], "{what}");
    assert!(audited.facts.monitor, "{what}");
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn each_right_has_a_remedy(major: Major) -> Result<()> {
        let server = shop(major).await?;
        for (i, case) in REFUSED.iter().enumerate().filter(|(_, c)| Major(c.since) <= major) {
            let role = format!("r{i}");
            let create = format!("CREATE ROLE {role} LOGIN; GRANT pg_monitor TO {role};");
            server.exec("shop", &(create + &case.grant.replace("{r}", &role))).await?;
            let before = audit_as(&server, &role).await?;
            let (used, after) = mend(&server, &before).await.context(case.grant)?;
            let what = format!("{} on {major}: {}", case.grant, before.audit.remedy_sql(&before.facts));
            // Before 16 a role that does not inherit has nothing of pg_monitor, before or after.
            if before.facts.monitor {
                passes(&after, &what);
            } else {
                assert_eq!(after.audit.refused, [], "{what}");
            }
            // Another role only where this one is what cannot be taken away.
            let cannot = case.grant.contains(" SUPERUSER") || case.grant.contains("OWNER TO");
            assert_eq!(used != role, cannot, "{} on {major}", case.grant);
            let undo = format!("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}");
            server.exec("shop", &undo).await?;
        }
        Ok(())
    }
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn a_role_of_any_name_is_mended_and_keeps_what_it_reads(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.exec("shop", "CREATE ROLE team; GRANT pg_monitor, app TO team").await?;
        for role in ["pgmon", "we\"ird $setup$ ro'le\\x"] {
            server.create_role(role).await?;
            let name = quote_ident(role);
            let grants = format!(
                "GRANT team TO {name}; ALTER ROLE {name} CREATEDB BYPASSRLS; GRANT CREATE ON SCHEMA \"we ird\" TO {name}; \
                 GRANT SELECT, INSERT ON public.orders TO {name} WITH GRANT OPTION"
            );
            server.exec("shop", &grants).await?;
            let before = audit_as(&server, role).await?;
            assert_eq!(before.audit.new_role(), None);
            let (used, after) = mend(&server, &before).await?;
            assert_eq!(used, role);
            passes(&after, role);
            let reads = format!("SELECT has_table_privilege({}, 'public.orders', 'SELECT')", crate::postgres::quote_literal(role));
            assert!(server.query::<bool>("shop", &reads).await?);
        }
        Ok(())
    }
}

on_each_major! { [pg12 12, pg15 15, pg18 18]
    async fn more_rights_than_are_listed_are_taken_with_the_role_or_left(major: Major) -> Result<()> {
        let server = shop(major).await?;
        for i in 0..9 {
            server.exec("shop", &format!("CREATE TABLE public.t{i} (id int); ALTER TABLE public.t{i} OWNER TO app")).await?;
        }
        // One more role that holds rights, behind the five that are listed.
        server.exec("shop", "CREATE ROLE zoo; CREATE TABLE public.z (id int); ALTER TABLE public.z OWNER TO zoo").await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server.exec("shop", "GRANT app, zoo TO pgmon").await?;
        let before = audit_as(&server, "pgmon").await?;
        assert!(!before.audit.truncated.is_empty());
        let (used, after) = mend(&server, &before).await?;
        assert_eq!(used, "pgmon");
        passes(&after, "memberships");
        // Of its own it has too many to name: a new role, whose name is free.
        server.exec("shop", "GRANT INSERT ON ALL TABLES IN SCHEMA public TO pgmon; CREATE ROLE pgmon_monitor SUPERUSER").await?;
        let before = audit_as(&server, "pgmon").await?;
        let (used, after) = mend(&server, &before).await?;
        assert_eq!(used, "pgmon_reader");
        passes(&after, "a new role");
        Ok(())
    }
}

on_each_major! { [pg16 16, pg18 18]
    async fn memberships_are_taken_whoever_granted_them(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server
            .exec(
                "shop",
                "CREATE ROLE \"ad min\"; GRANT app, pg_signal_backend TO \"ad min\" WITH ADMIN OPTION; \
                 SET ROLE \"ad min\"; GRANT app, pg_signal_backend TO pgmon",
            )
            .await?;
        let before = audit_as(&server, "pgmon").await?;
        let (used, after) = mend(&server, &before).await?;
        assert_eq!(used, "pgmon");
        passes(&after, "granted by another");
        Ok(())
    }
}

on_each_major! { [pg18 18]
    async fn a_role_that_becomes_another_is_replaced(major: Major) -> Result<()> {
        let server = shop(major).await?;
        server.create_monitor("pgmon", Tier::T0).await?;
        server
            .exec("shop", "CREATE ROLE meek; GRANT meek TO pgmon; ALTER ROLE pgmon SET role = meek; GRANT INSERT ON public.orders TO pgmon")
            .await?;
        let before = audit_as(&server, "pgmon").await?;
        let (used, after) = mend(&server, &before).await?;
        assert_eq!(used, "pgmon_monitor");
        passes(&after, "a new role");
        assert_eq!(Audit::default().new_role(), None);
        Ok(())
    }
}
