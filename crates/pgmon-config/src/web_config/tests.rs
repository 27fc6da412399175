use super::*;

const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

fn load(text: &str) -> Result<WebConfig, ConfigErrors> {
    WebConfig::load_text("/etc/web.yml".as_ref(), text)
}

#[test]
fn the_documented_shape_is_taken() {
    let web = load(&format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: /keys/server.key\n  client_auth_type: RequireAndVerifyClientCert\n  \
         client_ca_file: ca.crt\n  client_allowed_sans: [prometheus.example.com]\n  min_version: TLS12\n  max_version: TLS13\n  \
         cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  prefer_server_cipher_suites: true\n  curve_preferences: [X25519]\n\
         http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=600\n\
         basic_auth_users:\n  alice: {HASH}\nrate_limit: {{interval: 100ms, burst: 5}}\n"
    ))
    .unwrap();
    assert_eq!(web.tls_server_config.cert_file, Some("/etc/server.crt".into()));
    assert_eq!(web.tls_server_config.key_file, Some("/keys/server.key".into()));
    assert_eq!(web.basic_auth_users["alice"].expose(), HASH);
    let headers: Vec<_> = web.http_server_config.headers.set().collect();
    assert_eq!(headers, [("x-frame-options", "deny"), ("strict-transport-security", "max-age=600")]);
    assert!(web.serves_tls() && !load("").unwrap().serves_tls());
}

#[test]
fn everything_wrong_is_said_at_once_with_line_and_mend() {
    let errors = load(
        "tls_server_config:\n  cert_file: a\n  min_version: TLS10\n  client_auth_type: RequestClientCert\n\
         http_server_config:\n  headers: {X-Frame-Options: sometimes}\nrate_limit: {interval: often}\n",
    )
    .unwrap_err()
    .to_string();
    for wanted in [
        "web.yml:3:",
        "use TLS12 or TLS13",
        "use RequireAndVerifyClientCert",
        "go together",
        "deny or sameorigin",
        "100ms",
    ] {
        assert!(errors.contains(wanted), "{wanted}: {errors}");
    }
    let costly = HASH.replace("$10$", "$31$");
    let errors =
        load(&format!("tls_server_confg: {{}}\nbasic_auth_users: {{bob: hunter2canary, eve: {costly}}}\n"))
            .unwrap_err()
            .to_string();
    for wanted in
        ["did you mean tls_server_config?", "web.yml:2:25: basic_auth_users.bob: expected a hash", "cost"]
    {
        assert!(errors.contains(wanted), "{wanted}: {errors}");
    }
    assert!(!errors.contains("canary") && !errors.contains(&costly), "{errors}");
}
