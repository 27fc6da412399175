//! Services that repeat what they were sent: nothing that pgmon keeps of a check may hold it.

use super::testing::{check, head, reason, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Reads once what comes.
async fn some(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let n = stream.read(&mut bytes).await.unwrap_or(0);
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

/// A web server that tells everything that it was asked with: in its status line, its headers and its body.
async fn web() -> u16 {
    serve(async |mut stream| {
        let mut asked = head(&mut stream).await;
        asked.push_str(&some_of_a_body(&mut stream, &asked).await);
        let told: Vec<&str> = asked.lines().collect();
        let place = asked.split(' ').nth(1).unwrap_or_default().to_owned();
        let seen = |name: &str| {
            let line = told.iter().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.map(|line| line.split_once(": ").unwrap().1.to_owned()).unwrap_or_default()
        };
        let login = seen("authorization");
        let bare = login.split(' ').next_back().unwrap_or_default();
        let body = serde_json::json!({
            "status": format!("rejected token {bare}"),
            "long": format!("{}{bare}", "x".repeat(75)),
            "all": asked,
            "last": told.last(),
            "place": place,
        })
        .to_string();
        let answer = format!(
            "HTTP/1.1 {} {bare}\r\nServer: {login}\r\nLocation: /{bare}?x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{body}",
            if place.starts_with("/away") { 302 } else { 200 },
            seen("x-key"),
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

async fn some_of_a_body(stream: &mut TcpStream, head: &str) -> String {
    if head.starts_with("POST") { some(stream).await } else { String::new() }
}

#[tokio::test]
async fn what_a_web_server_repeats_of_credentials_is_not_kept() {
    let port = web().await;
    // "joe:basicPW77", and the password of it.
    let basic = "username: joe, password: basicPW77";
    let posts = "method: POST, body: '{\"user\": \"joe\", \"password\": \"bodySECRET5\"}'";
    let cases: [(&str, &str, &[&str]); 11] = [
        ("bearer_token: tokenSECRET99", "/status", &["tokenSECRET99"]),
        ("bearer_token: tokenSECRET99", "/long", &["toke"]),
        ("bearer_token: tokenSECRET99", "/all", &["tokenSECRET99"]),
        (basic, "/status", &["am9lOmJhc2ljUFc3Nw", "basicPW77"]),
        (basic, "/all", &["am9lOmJhc2ljUFc3Nw", "basicPW77"]),
        ("headers: {X-Key: 'Token keySECRET7; v=1'}", "/all", &["keySECRET7"]),
        ("headers: {X-Key: keySECRET7}", "/status", &["keySECRET7"]),
        (posts, "/all", &["bodySECRET5"]),
        (posts, "/last", &["bodySECRET5"]),
        ("url: 'http://127.0.0.1:PORT/x?key=querySECRET3'", "/place", &["querySECRET3"]),
        ("url: 'http://127.0.0.1:PORT/away', bearer_token: tokenSECRET99", "/status", &["tokenSECRET99"]),
    ];
    for (key, pointer, secrets) in cases {
        let url = if key.contains("url:") { "" } else { "url: 'http://127.0.0.1:PORT/health', " };
        let service = format!("{{type: http, {url}{key}, json: [{{pointer: {pointer}, value: ok}}]}}");
        let s = check(&service.replace("PORT", &port.to_string())).await;
        assert!(reason(&s).contains("in its JSON"), "{s:?}");
        let all = format!("{s:?}");
        for secret in secrets {
            assert!(!all.contains(secret), "{key}, {pointer}: {secret} in {all}");
        }
    }
    let s = check(&format!(
        "{{type: http, url: 'http://127.0.0.1:{port}/health', bearer_token: tokenSECRET99, body_not_match: 'token.*'}}"
    ))
    .await;
    assert!(s.state.is_ok() == Some(false) && !format!("{s:?}").contains("tokenSECRET99"), "{s:?}");
}

#[tokio::test]
async fn what_a_port_repeats_of_what_it_was_sent_is_not_kept() {
    let port = serve(async |mut stream| {
        let _ = stream.write_all(b"+OK ready\r\n").await;
        loop {
            let asked = some(&mut stream).await;
            if asked.is_empty() {
                break;
            }
            let _ = stream.write_all(format!("-ERR unknown command {}\r\n", asked.trim()).as_bytes()).await;
        }
    })
    .await;
    for expect in ["unknown", "^-ERR .*$", "PASS POPSEC", "-ERR.{10,24}", "SECRET1$"] {
        let s = check(&format!(
            "{{type: tcp, host: 127.0.0.1, port: {port}, query_response: [{{expect: OK, send: \"PASS POPSECRET1\\r\\n\"}}, {{expect: '{expect}'}}]}}"
        ))
        .await;
        assert_eq!(s.state.is_ok(), Some(true), "{s:?}");
        let all = format!("{s:?}");
        assert!(!all.contains("POPSEC") && !all.contains("SECRET1"), "{expect}: {all}");
        assert!(all.contains("step 2"), "{all}");
    }
}

#[tokio::test]
async fn what_a_redis_repeats_of_a_password_is_not_kept() {
    for answer in [
        "-ERR unknown command 'AUTH', with args beginning with: 'redisSECRET4'\r\n",
        "-WRONGPASS 'redisSEC\r\n",
        // It takes everything, and has it in what it says of itself.
        "$84\r\nredis_version:redisSECRET4\r\nredis_mode:redisSECRET4\r\nmaxmemory_policy:redisSECRET4\r\n\r\n",
    ] {
        let port = serve(move |mut stream| async move {
            while !some(&mut stream).await.is_empty() {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
        .await;
        let s =
            check(&format!("{{type: redis, host: 127.0.0.1, port: {port}, password: redisSECRET4}}")).await;
        let all = format!("{s:?}");
        assert!(s.checks == 1 && all.contains("[redacted]"), "it was repeated: {all}");
        assert!(!all.contains("redisSEC"), "{all}");
    }
}

/// Takes the start of a session, asks for the password in clear text, and refuses it by name.
async fn refuses_by_name(mut stream: TcpStream) {
    let asked = some(&mut stream).await;
    // Length and code of a request for TLS: it has none.
    if asked.len() == 8 {
        let _ = stream.write_all(b"N").await;
        some(&mut stream).await;
    }
    let _ = stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await;
    let said = some(&mut stream).await;
    // `p`, a length, the password, and its end.
    let password = said.get(5..).unwrap_or_default().trim_end_matches('\0');
    let fields = format!("SFATAL\0VFATAL\0C28P01\0Mpassword \"{password}\" is not that of the user\0\0");
    let mut message = b"E".to_vec();
    message.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
    message.extend(fields.as_bytes());
    let _ = stream.write_all(&message).await;
}

#[tokio::test]
async fn what_a_server_of_postgresqls_protocol_repeats_of_a_password_is_not_kept() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "loginSECRET6\n").unwrap();
    for kind in ["postgres", "pgbouncer"] {
        let port = serve(refuses_by_name).await;
        for password in
            ["password: loginSECRET6".to_owned(), format!("password_file: {}", file.path().display())]
        {
            let s = check(&format!(
                "{{type: {kind}, host: 127.0.0.1, port: {port}, username: u, sslmode: disable, {password}}}"
            ))
            .await;
            assert_eq!(reason(&s), "password \"[redacted]\" is not that of the user (SQLSTATE 28P01)");
            assert!(!format!("{s:?}").contains("loginSECRET6"), "{s:?}");
        }
    }
}
