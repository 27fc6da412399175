//! Ports that speak, and ports that say nothing.

use crate::services::testing::{answering, certificate, check, flood, reason, serve, value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn of(port: u16, more: &str) -> String {
    format!("{{type: tcp, host: localhost, port: {port}, timeout: 1s{more}}}")
}

#[tokio::test]
async fn a_port_that_takes_connections_is_good_and_one_that_must_speak_and_does_not_is_none() {
    let silent = answering("", true).await;
    let s = check(&of(silent, "")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    let s = check(&of(silent, ", query_response: [{expect: x}]")).await;
    assert_eq!(reason(&s), "no answer within 1s, while it was waited for what query_response expects");
    assert_eq!(value(&s, "probe_success", &[]), Some(0.0));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let s = check(&of(closed, "").replace("localhost", "127.0.0.1")).await;
    assert!(reason(&s).contains("refused"), "{s:?}");
    let s = check(&of(silent, "").replace("localhost", "nonexistent.invalid")).await;
    assert!(reason(&s).starts_with("the name nonexistent.invalid cannot be looked up"), "{s:?}");
}

/// A mail server that wants TLS.
async fn mail(days: i64) -> (u16, tempfile::NamedTempFile) {
    let (acceptor, ca) = certificate(days);
    let port = serve(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut buffer = [0; 100];
            stream.write_all(b"220 mail ready\r\n").await.unwrap();
            let _ = stream.read(&mut buffer).await;
            stream.write_all(b"250-mail\r\n250 STARTTLS\r\n").await.unwrap();
            let _ = stream.read(&mut buffer).await;
            stream.write_all(b"220 go on\r\n").await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            let _ = stream
                .write_all(if &buffer[..n] == b"QUIT\r\n" { b"221 bye\r\n" } else { b"500 what\r\n" })
                .await;
            let _ = stream.read(&mut buffer).await;
        }
    })
    .await;
    (port, ca)
}

const SMTP: &str = r#"query_response: [{expect: "^220 ", send: "EHLO pgmon\r\n"},
    {expect: "^250 STARTTLS$", send: "STARTTLS\r\n"}, {expect: "^220 ", starttls: true}, {send: "QUIT\r\n"},
    {expect: "^221 "}]"#;

#[tokio::test]
async fn a_conversation_goes_over_to_tls_and_each_step_is_told() {
    let (port, ca) = mail(10).await;
    let with = |tls: String| of(port, &format!(", tls: {{enabled: false, {tls}}}, {SMTP}"));
    let s = check(&with(format!("ca_file: {}", ca.path().display())).replace("enabled: false, ", "")).await;
    assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
    assert!(value(&s, "probe_ssl_earliest_cert_expiry", &[]).is_some());
    let heard: Vec<_> = s.evidence.iter().map(|e| (e.asked.as_str(), e.rows[0][1].as_str())).collect();
    assert_eq!(
        heard[1..],
        [("step 1", "220"), ("step 2", "250 STARTTLS"), ("step 3", "220"), ("step 5", "221")]
    );
    let (port, ca) = mail(-2).await;
    let s = check(&of(port, &format!(", tls: {{ca_file: {}}}, {SMTP}", ca.path().display()))).await;
    assert!(reason(&s).starts_with("TLS: the certificate ended at"), "{s:?}");
}

#[tokio::test]
async fn one_that_never_stops_talking_or_hangs_up_is_no_good() {
    let port = serve(async |mut stream| flood(&mut stream, &[0xff; 4096]).await).await;
    let s = check(&of(port, ", query_response: [{expect: never}]")).await;
    assert!(reason(&s).contains("step 1 of query_response: it sent more than"), "{s:?}");
    // Each byte would have all that was heard searched again.
    let port = serve(async |mut stream| {
        let _ = stream.set_nodelay(true);
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
    })
    .await;
    let s =
        check(&of(port, ", query_response: [{expect: never}]").replace("timeout: 1s", "timeout: 10s")).await;
    assert_eq!(
        reason(&s),
        "step 1 of query_response: it speaks in small pieces, and says nothing that is expected"
    );
    let port = answering("hello\r\n", false).await;
    let s = check(&of(port, r#", query_response: [{send: "x"}, {expect: never}]"#)).await;
    assert_eq!(reason(&s), "step 2 of query_response: it closed the connection");
    // What comes before TLS is not taken for what comes behind it.
    let port = answering("220 go on\r\n250 injected\r\n", true).await;
    let s = check(&of(port, r#", query_response: [{send: x}, {expect: "^220", starttls: true}]"#)).await;
    assert_eq!(reason(&s), "it sent more than was asked for before TLS began");
}
