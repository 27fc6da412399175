//! A browser logs in with a form.

use super::{agent, output};

#[test]
fn a_session_is_begun_used_and_ended() {
    let hash = output(&["hash-password"], "correct");
    let agent = agent(&[
        ("PGMON_HTTP_AUTH_API_KEYS", "form-key-canary-1234"),
        ("PGMON_HTTP_AUTH_BASIC", &format!("[{{user: alice, password_hash: '{hash}'}}]")),
    ]);
    let html = "Accept: text/html,application/xhtml+xml\r\n";
    let sent_away = agent.get_with("/?a=b", html);
    assert_eq!((sent_away.status, sent_away.header("location")), (303, Some("/login?next=/%3fa%3db")));
    let form = agent.get("/login?next=/%3Fa%3Db");
    assert_eq!(form.status, 200);
    assert!(
        form.text().contains("name=\"password\"") && form.text().contains("value=\"/?a=b\""),
        "{}",
        form.text()
    );
    assert!(form.header("content-security-policy").is_some_and(|v| v.contains("frame-ancestors 'none'")));
    assert_eq!(form.header("cache-control"), Some("no-store"));

    for wrong in
        ["user=alice&password=wrong", "user=eve&password=correct", "key=wrong", "", "user=%00&password=%ff"]
    {
        let refused = agent.post("/login", "", wrong);
        assert!(refused.cookie.is_none() && refused.status >= 400, "{wrong}: {}", refused.status);
    }
    for origin in ["Origin: http://evil\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(agent.post("/login", origin, "user=alice&password=correct").status, 403, "{origin}");
    }
    let own = "Origin: http://x\r\nSec-Fetch-Site: same-origin\r\n";
    let logged_in = agent.post("/login", own, "user=alice&password=correct&next=%2F%3Fa%3Db");
    assert_eq!((logged_in.status, logged_in.header("location")), (303, Some("/?a=b")));
    let cookie = logged_in.header("set-cookie").unwrap();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=lax") && !cookie.contains("secure"),
        "{cookie}"
    );
    let cookie = format!("Cookie: theme=dark; {}\r\n", logged_in.cookie.unwrap());
    for path in ["/", "/status", "/metrics", "/configz"] {
        assert_eq!(agent.get_with(path, &cookie).status, 200, "{path}");
    }
    assert!(agent.get_with("/status", &cookie).text().contains("Log out"));

    // The key works in the form, too, and nobody is sent to another host.
    let by_key = agent.post("/login", own, "key=form-key-canary-1234&next=%2F%2Fevil");
    assert_eq!((by_key.status, by_key.header("location")), (303, Some("/")));

    assert_eq!(agent.post("/logout", &format!("{cookie}Origin: http://evil\r\n"), "").status, 403);
    assert_eq!(agent.get_with("/", &cookie).status, 200);
    let logged_out = agent.post("/logout", &format!("{cookie}{own}"), "");
    assert!(logged_out.header("set-cookie").is_some_and(|v| v.contains("max-age=0")));
    assert_eq!(agent.get_with("/", &format!("{cookie}{html}")).status, 303);
    assert_eq!(agent.get_with("/metrics", &cookie).status, 403);
    assert!(!agent.log().contains("canary"), "{}", agent.log());
}
