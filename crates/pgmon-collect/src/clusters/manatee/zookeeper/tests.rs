//! Against Debian's ZooKeeper, and against servers that say anything.

use super::*;
use pgmon_core::clock::SystemClock;
use pgmon_testkit::{Fault, Proxy, ZooKeeper};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

const S: fn(u64) -> Duration = Duration::from_secs;

fn ensemble(port: u16) -> Ensemble {
    Ensemble {
        hosts: vec![("127.0.0.1".to_owned(), port)],
        chroot: String::new(),
        session_timeout: S(4),
        timeout: S(2),
    }
}

fn timer() -> Arc<dyn Timer> {
    Arc::new(SystemClock::new())
}

async fn next(client: &mut Client) -> Event {
    let until = client.timer.mono() + S(5);
    client.wait(until).await.unwrap().expect("nothing changed within 5 s")
}

#[tokio::test]
async fn nodes_are_read_and_their_changes_told() -> anyhow::Result<()> {
    let zookeeper = ZooKeeper::start().await?;
    zookeeper.put("/m/s/state", "one").await?;
    zookeeper.put("/m/s/history/1-", "x").await?;
    let chroot = Ensemble { chroot: "/m".to_owned(), ..ensemble(zookeeper.port()) };
    let mut client = Client::connect(&chroot, timer()).await?;
    assert_eq!(client.session_timeout(), S(4));
    let node = client.get("/s/state").await?.unwrap();
    assert_eq!((node.data.as_slice(), node.stat.version), (&b"one"[..], 0));
    assert!(node.stat.created_ms > 1_600_000_000_000);
    assert_eq!(client.children("/s/history").await?.unwrap(), ["1-0000000000"]);
    assert_eq!(client.get("/s/error").await?, None);
    assert_eq!(client.children("/s/election").await?, None);

    zookeeper.put("/m/s/state", "two").await?;
    assert_eq!(next(&mut client).await, Event { kind: EventKind::Changed, path: "/s/state".into() });
    assert_eq!(client.get("/s/state").await?.unwrap().data, b"two");
    // What was not there is told of when it comes.
    zookeeper.put("/m/s/error", "e").await?;
    assert_eq!(next(&mut client).await, Event { kind: EventKind::Created, path: "/s/error".into() });
    zookeeper.put("/m/s/history/1-", "y").await?;
    assert_eq!(next(&mut client).await, Event { kind: EventKind::Children, path: "/s/history".into() });
    zookeeper.remove("/m/s/state").await?;
    assert_eq!(next(&mut client).await.kind, EventKind::Deleted);

    // Pings keep the session alive for longer than its timeout.
    let until = client.timer.mono() + S(6);
    assert_eq!(client.wait(until).await?, None);
    assert_eq!(client.get("/s/error").await?.unwrap().data, b"e");
    assert!(zookeeper.ask("wchs").await?.contains("watching"));
    client.close().await;
    let gone = zookeeper.ask("cons").await?;
    assert_eq!(gone.matches("sid=0x").count(), 0, "{gone}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_falls_silent_or_dies_is_noticed() -> anyhow::Result<()> {
    let mut zookeeper = ZooKeeper::start().await?;
    zookeeper.put("/a", "1").await?;
    let proxy = Proxy::start(zookeeper.port())?;
    let mut client = Client::connect(&ensemble(proxy.port()), timer()).await?;
    client.get("/a").await?;
    proxy.set(Fault::Blackhole).await?;
    let until = client.timer.mono() + S(20);
    let began = client.timer.mono();
    assert!(matches!(client.wait(until).await, Err(ZkError::Silent(_) | ZkError::Lost { .. })));
    assert!(client.timer.mono() - began < S(4), "before the session is over");
    proxy.set(Fault::Pass).await?;
    let mut client = Client::connect(&ensemble(proxy.port()), timer()).await?;
    zookeeper.kill();
    assert!(matches!(client.get("/a").await, Err(ZkError::Lost { .. })));
    assert!(matches!(
        Client::connect(&ensemble(zookeeper.port()), timer()).await.err(),
        Some(ZkError::Unreachable(_))
    ));
    // Of several servers, one that answers will do.
    zookeeper.start_again().await?;
    let mut several = ensemble(zookeeper.port());
    several.hosts.push(("127.0.0.1".to_owned(), 1));
    several.hosts.push(("127.0.0.1".to_owned(), 2));
    for _ in 0..5 {
        let mut client = Client::connect(&several, timer()).await?;
        assert_eq!(client.get("/a").await?.unwrap().data, b"1");
    }
    Ok(())
}

/// A server that answers every request with the next of these, whatever was asked.
fn hostile(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        for answer in answers {
            let mut asked = [0; 512];
            if stream.read(&mut asked).is_err() || stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    port
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn greeting() -> Vec<u8> {
    let parts = [&0_i32.to_be_bytes()[..], &4000_i32.to_be_bytes(), &7_i64.to_be_bytes()].concat();
    framed(&[parts, 16_i32.to_be_bytes().to_vec(), vec![1; 17]].concat())
}

fn reply(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
    framed(&[&xid.to_be_bytes()[..], &5_i64.to_be_bytes(), &error.to_be_bytes(), body].concat())
}

#[tokio::test]
async fn what_a_hostile_server_sends_is_an_error_and_no_panic() {
    let huge = 0x7FFF_FFFF_u32.to_be_bytes().to_vec();
    assert!(Client::connect(&ensemble(hostile(vec![huge.clone()])), timer()).await.is_err());
    assert!(Client::connect(&ensemble(hostile(vec![framed(b"xx")])), timer()).await.is_err());
    let answers = [
        huge,
        framed(b""),
        reply(9, 0, b""),
        reply(1, 0, b""),
        reply(1, 0, &i32::MAX.to_be_bytes()),
        reply(1, 0, &i32::MIN.to_be_bytes()),
        reply(1, -102, b""),
        reply(1, -112, b""),
        reply(-1, 0, b"short"),
        reply(-1, 0, &[&(-1_i32).to_be_bytes()[..], &0_i32.to_be_bytes(), &0_i32.to_be_bytes()].concat()),
        reply(-1, 0, &[&99_i32.to_be_bytes()[..], &0_i32.to_be_bytes(), &0_i32.to_be_bytes()].concat()),
    ];
    for answer in answers {
        let port = hostile(vec![greeting(), answer.clone()]);
        let mut client = Client::connect(&ensemble(port), timer()).await.unwrap();
        assert!(client.children("/a").await.is_err(), "{answer:?}");
    }
    let flood: Vec<u8> = (0..MOST_EVENTS + 2)
        .flat_map(|_| {
            reply(-1, 0, &[&3_i32.to_be_bytes()[..], &3_i32.to_be_bytes(), &0_i32.to_be_bytes()].concat())
        })
        .collect();
    let mut client = Client::connect(&ensemble(hostile(vec![greeting(), flood])), timer()).await.unwrap();
    assert!(matches!(client.get("/a").await, Err(ZkError::Protocol(..))));
}

#[tokio::test]
async fn random_bytes_are_an_error_and_no_panic() {
    for seed in 0..200_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.usize(..300);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        if seed % 2 == 0 {
            bytes = reply(1, 0, &bytes);
        }
        let port = hostile(vec![greeting(), bytes.clone()]);
        let mut client = Client::connect(&ensemble(port), timer()).await.unwrap();
        // Some random bytes are an empty list by chance: what counts is that nothing ends.
        let _ = client.children("/a").await;
    }
}
