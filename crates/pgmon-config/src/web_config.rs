//! The web configuration file of the Prometheus exporter toolkit.
//!
//! Read as strictly as `pgmon.yaml`. What pgmon does not speak (TLS 1.1, unverified client certificates)
//! is an error with the mend, never ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use crate::schema::Shape;
use crate::sections::http::PASSWORD_HASH_FORMAT;
use crate::tree::Node;
use crate::validate::validate;
use crate::{ConfigErrors, Diagnostic, Places, Secret, Span, load, normalise, usable};

/// A web configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebConfig {
    /// Certificate to serve HTTPS with.
    pub tls_server_config: TlsServerConfig,
    /// Headers of answers.
    pub http_server_config: HttpServerConfig,
    /// Names with the hashes of their passwords.
    #[schemars(extend("additionalProperties" = { "type": "string", "format": PASSWORD_HASH_FORMAT, "x-secret": true }))]
    pub basic_auth_users: BTreeMap<String, Secret>,
    /// How many requests a client may send.
    pub rate_limit: WebRateLimit,
    /// Where its keys were read.
    #[serde(skip)]
    #[schemars(skip)]
    pub places: Places,
}

/// `tls_server_config`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsServerConfig {
    /// Certificate (PEM).
    pub cert: String,
    /// The certificate's key (PEM).
    pub key: Secret,
    /// Certificate authorities of clients (PEM).
    pub client_ca: String,
    /// File with the certificate.
    #[schemars(extend("format" = "path"))]
    pub cert_file: Option<PathBuf>,
    /// File with the key.
    #[schemars(extend("format" = "path"))]
    pub key_file: Option<PathBuf>,
    /// File with the certificate authorities of clients.
    #[schemars(extend("format" = "path"))]
    pub client_ca_file: Option<PathBuf>,
    /// What a client's certificate is for.
    pub client_auth_type: ClientAuthType,
    /// Names or addresses, of which a client's certificate must have one.
    pub client_allowed_sans: Vec<String>,
    /// The oldest version that is spoken.
    pub min_version: Option<ToolkitVersion>,
    /// The newest version that is spoken.
    pub max_version: Option<ToolkitVersion>,
    /// Cipher suites of TLS 1.2, by their names in Go.
    pub cipher_suites: Vec<String>,
    /// Whether the server's order of cipher suites counts. Not set: yes.
    pub prefer_server_cipher_suites: Option<bool>,
    /// Groups for the exchange of keys, by their names in Go.
    pub curve_preferences: Vec<String>,
}

/// `client_auth_type`: Go's policies for client certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientAuthType {
    /// None is asked for.
    #[default]
    NoClientCert,
    /// Asked for and not verified.
    RequestClientCert,
    /// Needed and not verified.
    RequireAnyClientCert,
    /// Asked for and verified.
    VerifyClientCertIfGiven,
    /// Needed and verified.
    RequireAndVerifyClientCert,
}

/// Versions of TLS by their names in the toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ToolkitVersion {
    /// 1.0
    TLS10,
    /// 1.1
    TLS11,
    /// 1.2
    TLS12,
    /// 1.3
    TLS13,
}

/// `http_server_config`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpServerConfig {
    /// Accepted and without effect: pgmon speaks HTTP/1.1.
    pub http2: Option<bool>,
    /// Headers that every answer gets.
    pub headers: WebHeaders,
}

/// `http_server_config.headers`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebHeaders {
    /// `Content-Security-Policy`
    #[serde(rename = "Content-Security-Policy")]
    pub content_security_policy: String,
    /// `X-Frame-Options`: `deny` or `sameorigin`
    #[serde(rename = "X-Frame-Options")]
    pub x_frame_options: String,
    /// `X-Content-Type-Options`: `nosniff`
    #[serde(rename = "X-Content-Type-Options")]
    pub x_content_type_options: String,
    /// `X-XSS-Protection`
    #[serde(rename = "X-XSS-Protection")]
    pub x_xss_protection: String,
    /// `Strict-Transport-Security`
    #[serde(rename = "Strict-Transport-Security")]
    pub strict_transport_security: String,
}

impl WebHeaders {
    /// The headers that are set.
    pub fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("content-security-policy", self.content_security_policy.as_str()),
            ("x-frame-options", &self.x_frame_options),
            ("x-content-type-options", &self.x_content_type_options),
            ("x-xss-protection", &self.x_xss_protection),
            ("strict-transport-security", &self.strict_transport_security),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }
}

/// `rate_limit`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebRateLimit {
    /// Time between two requests, such as `100ms`; `0s`: no limit.
    pub interval: String,
    /// Requests at once.
    pub burst: Option<u32>,
}

impl WebRateLimit {
    /// The time between two requests: `None` if it is not set, `Some(None)` if there is no limit.
    pub fn interval(&self) -> Option<Option<Duration>> {
        match self.interval.trim() {
            "" => None,
            "0" | "0s" | "0ms" => Some(None),
            text => text.parse::<Span>().ok().map(|span| Some(span.duration())),
        }
    }
}

impl WebConfig {
    /// Reads a file, and says everything that is wrong with it at once. Paths in it start at its directory.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        match Self::examine(path) {
            Ok((config, faults)) if faults.is_empty() => Ok(config),
            Ok((_, faults)) => Err(ConfigErrors(faults)),
            Err(message) => Err(ConfigErrors(vec![crate::tree::Place::Nowhere.says("", message)])),
        }
    }

    /// As [`WebConfig::load`], from a text that stands for the content of the file `path`.
    pub fn load_text(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let (config, faults) = Self::examine_text(path, text);
        if faults.is_empty() { Ok(config) } else { Err(ConfigErrors(faults)) }
    }

    /// What can be used of a file, and everything that is wrong with it. The error says why it cannot be read.
    pub fn examine(path: &Path) -> Result<(Self, Vec<Diagnostic>), String> {
        let text = load::read(path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
        Ok(Self::examine_text(path, &text))
    }

    fn examine_text(path: &Path, text: &str) -> (Self, Vec<Diagnostic>) {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<Self>().to_value();
        let shape = Shape(&schema);
        let mut faults = Vec::new();
        let Some(mut root) = load::parse(Some(path), text, &mut faults) else {
            return (Self::default(), faults);
        };
        normalise::fit(&mut root, shape, path.parent());
        validate(&root, shape, &mut faults);
        let whole = faults.is_empty().then(|| serde_json::from_value::<Self>(root.to_json()));
        let (mut config, lost) = match whole {
            Some(Ok(config)) => (config, Vec::new()),
            // The message of serde repeats values, so it is not passed on.
            Some(Err(_)) => {
                faults.push(root.at.says("", "fits the schema but not the types of this version of pgmon"));
                (Self::default(), Vec::new())
            }
            None => usable::read(&root, &faults, &[]),
        };
        let mut found = Vec::new();
        config.check(&root, &mut found);
        faults.extend(usable::keep_new(found, &faults, &lost));
        config.places =
            Places::of(&root, &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"]);
        (config, faults)
    }

    /// Whether there is a certificate.
    pub fn serves_tls(&self) -> bool {
        let tls = &self.tls_server_config;
        !tls.cert.is_empty() || tls.cert_file.is_some()
    }

    fn check(&self, root: &Node, faults: &mut Vec<Diagnostic>) {
        let tls = &self.tls_server_config;
        let mut says =
            |pointer: &str, message: String| faults.push(root.locate(pointer).0.says(pointer, message));
        let both = [
            ("cert", !tls.cert.is_empty(), tls.cert_file.is_some()),
            ("key", !tls.key.is_empty(), tls.key_file.is_some()),
            ("client_ca", !tls.client_ca.is_empty(), tls.client_ca_file.is_some()),
        ];
        for (key, inline, file) in both {
            if inline && file {
                says(
                    &format!("/tls_server_config/{key}"),
                    format!("{key}_file is set as well; keep one of them"),
                );
            }
        }
        let (certificate, key) = (self.serves_tls(), !tls.key.is_empty() || tls.key_file.is_some());
        let authority = !tls.client_ca.is_empty() || tls.client_ca_file.is_some();
        if certificate != key {
            says("/tls_server_config", "a certificate and its key go together: set both or none".to_owned());
        } else if !certificate && root.member("tls_server_config").is_some() {
            says("/tls_server_config", "needs cert_file and key_file".to_owned());
        }
        let kind = "/tls_server_config/client_auth_type";
        match tls.client_auth_type {
            ClientAuthType::NoClientCert if authority => {
                says(kind, "client_ca is set: use RequireAndVerifyClientCert".to_owned());
            }
            ClientAuthType::RequestClientCert | ClientAuthType::RequireAnyClientCert => says(
                kind,
                "certificates that nobody verifies protect nothing: use RequireAndVerifyClientCert"
                    .to_owned(),
            ),
            ClientAuthType::VerifyClientCertIfGiven | ClientAuthType::RequireAndVerifyClientCert
                if !authority =>
            {
                says(kind, "needs client_ca_file".to_owned());
            }
            _ => {}
        }
        if !tls.client_allowed_sans.is_empty()
            && tls.client_auth_type != ClientAuthType::RequireAndVerifyClientCert
        {
            says(
                "/tls_server_config/client_allowed_sans",
                "needs client_auth_type: RequireAndVerifyClientCert".to_owned(),
            );
        }
        for (key, version) in [("min_version", tls.min_version), ("max_version", tls.max_version)] {
            if version.is_some_and(|version| version < ToolkitVersion::TLS12) {
                says(
                    &format!("/tls_server_config/{key}"),
                    "TLS 1.0 and 1.1 are broken: use TLS12 or TLS13".to_owned(),
                );
            }
        }
        if tls.min_version.zip(tls.max_version).is_some_and(|(min, max)| min > max) {
            says("/tls_server_config/max_version", "is below min_version".to_owned());
        }
        let headers = &self.http_server_config.headers;
        let mut word = |header: &str, value: &str, words: &[&str]| {
            if !value.is_empty() && !words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
                let pointer = format!("/http_server_config/headers/{header}");
                says(&pointer, format!("expected {}", words.join(" or ")));
            }
        };
        word("X-Frame-Options", &headers.x_frame_options, &["deny", "sameorigin"]);
        word("X-Content-Type-Options", &headers.x_content_type_options, &["nosniff"]);
        for (name, value) in headers.set() {
            if value.contains(|c: char| c.is_control() || !c.is_ascii()) {
                says(
                    "/http_server_config/headers",
                    format!("{name} has characters that a header cannot have"),
                );
            }
        }
        if !self.rate_limit.interval.is_empty() && self.rate_limit.interval().is_none() {
            says(
                "/rate_limit/interval",
                "expected a duration such as 100ms or 1s; 0s for no limit".to_owned(),
            );
        }
        for user in self.basic_auth_users.keys() {
            if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                says("/basic_auth_users", "a user needs a name, which has no colon".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests;
