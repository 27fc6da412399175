//! Rules of services of type http.

use base64::Engine as _;

use super::Check;
use crate::sections::StatusRange;
use crate::service_spec::{HttpCheck, ServiceCheck};
use crate::{HttpMethod, Secret};

/// What is read of a body where nothing is said (bytes), and at most.
const MAX_BODY: u64 = 1024 * 1024;
const LARGEST_BODY: u64 = 64 * 1024 * 1024;

impl Check<'_> {
    pub(super) fn http(&mut self) -> Option<ServiceCheck> {
        let s = self.service;
        for (key, pattern) in [("body_match", &s.body_match), ("body_not_match", &s.body_not_match)] {
            if let Some(pattern) = pattern {
                self.regex(key, pattern);
            }
        }
        for (n, json) in s.json.iter().enumerate() {
            if !json.pointer.is_empty() && !json.pointer.starts_with('/') {
                self.found.fault(&format!("json/{n}/pointer"), "a JSON Pointer begins with a slash: /status");
            }
        }
        if s.body.is_some() && matches!(s.method.unwrap_or_default(), HttpMethod::Get | HttpMethod::Head) {
            self.found.missing("body", "needs `method: POST` or PUT", None);
        }
        if s.max_redirects.is_some() && s.follow_redirects == Some(false) {
            self.found.fault("max_redirects", "has no effect: follow_redirects is false");
        }
        let max_body = s.max_body.map_or(MAX_BODY, crate::ByteSize::bytes);
        if max_body > LARGEST_BODY {
            self.found.fault("max_body", "must be at most 64MiB");
        }
        let health_path = s.health_path.as_deref().unwrap_or("/health");
        if !health_path.starts_with('/') {
            self.found.fault("health_path", "begins with a slash: /health");
        }
        let Some(url) = &s.url else {
            self.found.missing("", "needs a `url`", None);
            return None;
        };
        // Checked as if a server had sent us there.
        if let Err(error) = url.join(health_path) {
            self.found.fault("health_path", error.to_string());
        }
        if s.health_path.is_some() && url.has_path() {
            self.found.warn("health_path", "has no effect: `url` has a path of its own; keep one of them");
        }
        let url = url.clone().or_path(health_path);
        let headers = self.headers()?;
        self.tls(true);
        if !url.is_https() && !s.tls.is_default() {
            self.found.warn("tls", "has an effect only on https, to which a redirect may lead");
        }
        let credentials = s.password.is_some() || s.bearer_token.is_some();
        if credentials && !url.is_https() && !crate::dsn::is_loopback_host(url.host()) {
            self.found
                .warn("url", "http:// to another machine: the credentials cross the network in clear text");
        }
        Some(ServiceCheck::Http(HttpCheck {
            url,
            method: s.method.unwrap_or_default(),
            headers,
            body: s.body.clone(),
            expected_status: match s.expected_status.as_slice() {
                [] => vec![StatusRange::SUCCESS],
                some => some.to_vec(),
            },
            body_match: s.body_match.clone(),
            body_not_match: s.body_not_match.clone(),
            json: s.json.clone(),
            redirects: s.follow_redirects.unwrap_or(true).then(|| s.max_redirects.unwrap_or(5)),
            max_body,
            tls: s.tls.clone(),
        }))
    }

    /// The headers that are sent, with the credentials.
    fn headers(&mut self) -> Option<Vec<(String, Secret)>> {
        let s = self.service;
        let mut headers = Vec::new();
        for (name, value) in &s.headers {
            let key = format!("headers/{}", name.replace('~', "~0").replace('/', "~1"));
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let lower = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(token) {
                self.found.fault(&key, "the name of a header has letters, digits and -");
            } else if ["content-length", "transfer-encoding", "connection", "upgrade", "te"]
                .contains(&lower.as_str())
            {
                self.found.fault(&key, "pgmon sets this header itself");
            } else if value.expose().bytes().any(|b| b.is_ascii_control()) || value.expose().len() > 8 * 1024
            {
                self.found.fault(&key, "the value has a control character, or is longer than 8 KiB");
            } else {
                headers.push((lower, value.clone()));
            }
        }
        let basic = match (&s.username, &s.password) {
            (Some(user), password) => {
                let password = password.as_ref().map_or("", Secret::expose);
                let pair = format!("{user}:{password}");
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
            }
            (None, Some(_)) => {
                self.found.missing("password", "needs a `username`", None);
                None
            }
            (None, None) => None,
        };
        let bearer = s.bearer_token.as_ref().map(|token| format!("Bearer {}", token.expose()));
        let own = headers.iter().any(|(name, _)| name == "authorization");
        let ways = usize::from(basic.is_some()) + usize::from(bearer.is_some()) + usize::from(own);
        if ways > 1 {
            self.found.fault(
                "",
                "several ways to log in: keep one of username, bearer_token and headers.Authorization",
            );
            return None;
        }
        if let Some(value) = basic.or(bearer) {
            if value.bytes().any(|b| b.is_ascii_control()) {
                self.found.fault("bearer_token", "has a control character");
            }
            headers.push(("authorization".to_owned(), Secret::new(value)));
        }
        Some(headers)
    }
}
