use super::*;
use std::time::Instant;

fn user(name: &str, password: &str) -> User {
    let hash = bcrypt::hash(password, 5).unwrap();
    User::new(name, hash.into(), Scope::Read).unwrap()
}

fn client(n: u8) -> Client {
    Client::of([127, 0, 0, n].into())
}

async fn is_right(passwords: &Passwords, users: &[User], name: &str, password: &str) -> bool {
    matches!(passwords.verify(users, name, password, client(1)).await, Checked::Right(p) if *p.name == *name)
}

#[tokio::test]
async fn hashes_of_both_kinds_are_verified() {
    // echo -n correct | argon2 somesalt -id -k 64 -t 1 -p 1 -e
    let argon2 = crate::hashing::argon2id("correct").unwrap();
    let users = [user("alice", "correct"), User::new("bob", argon2.into(), Scope::Admin).unwrap()];
    let passwords = Passwords::new();
    for name in ["alice", "bob"] {
        assert!(is_right(&passwords, &users, name, "correct").await);
        assert!(!is_right(&passwords, &users, name, "wrong").await);
    }
    assert!(!is_right(&passwords, &users, "eve", "correct").await);
    assert!(!is_right(&passwords, &[], "alice", "correct").await);
    assert!(User::new("x", "hunter2".into(), Scope::Read).is_none());
}

#[test]
fn unknown_names_stand_for_all_users_each_for_one() {
    let users = [user("a", "x"), user("b", "x"), user("c", "x")];
    let passwords = Passwords::new();
    let of = |name: &str| passwords.stand_in(&users, name).unwrap().name.clone();
    let names: Vec<String> = (0..60).map(|n| format!("nobody{n}")).collect();
    let taken: std::collections::BTreeSet<_> = names.iter().map(|name| of(name)).collect();
    assert_eq!(taken.len(), 3, "whatever the hashes cost, an unknown name may cost the same");
    assert!(names.iter().all(|name| of(name) == of(name)), "asked twice, it costs the same again");
    assert!(passwords.stand_in(&[], "x").is_none());
}

#[tokio::test]
async fn what_was_right_is_remembered_until_the_hash_changes() {
    let users = [user("alice", "correct")];
    let passwords = Passwords::new();
    assert!(passwords.remembered(&users, "alice", "correct", None).is_none());
    assert!(is_right(&passwords, &users, "alice", "correct").await);
    assert!(passwords.remembered(&users, "alice", "correct", None).is_some());
    assert!(passwords.remembered(&users, "alice", "wrong", None).is_none());
    assert!(passwords.remembered(&users, "alice", "correct", Some(client(1))).is_some());
    assert!(passwords.remembered(&users, "alice", "correct", Some(client(2))).is_none());
    let changed = [user("alice", "other")];
    assert!(passwords.remembered(&changed, "alice", "correct", None).is_none());
    assert!(!is_right(&passwords, &changed, "alice", "correct").await);
    for n in 0..REMEMBERED + 10 {
        passwords.remember(&users[0], &n.to_string(), client(1));
    }
    assert_eq!(passwords.verified.lock().unwrap().len(), REMEMBERED);
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "measures the work itself")]
async fn an_unknown_name_takes_as_long_as_a_known_one() {
    let hash = bcrypt::hash("correct", 8).unwrap();
    let users = [User::new("alice", hash.into(), Scope::Read).unwrap()];
    let passwords = Passwords::new();
    let mut fastest = [f64::MAX; 2];
    for n in 0..6 {
        for (name, fastest) in ["alice", "nobody"].iter().zip(&mut fastest) {
            let start = Instant::now();
            assert!(!is_right(&passwords, &users, name, &n.to_string()).await);
            *fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    let [known, unknown] = fastest;
    assert!(unknown > known / 3.0 && known > unknown / 3.0, "{known} {unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_wait_and_the_rest_is_turned_away() {
    let hash = bcrypt::hash("correct", 10).unwrap();
    let users = Arc::new([User::new("alice", hash.into(), Scope::Read).unwrap()]);
    let passwords = Arc::new(Passwords::new());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (users, passwords) = (users.clone(), passwords.clone());
        tasks.spawn(async move {
            matches!(passwords.verify(&*users, "alice", &n.to_string(), client(1)).await, Checked::Busy)
        });
    }
    let busy = tasks.join_all().await.into_iter().filter(|busy| *busy).count();
    assert!(busy >= 40 - 2 * WAITING, "{busy}");
    assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
    assert!(is_right(&passwords, &*users, "alice", "correct").await);
}
