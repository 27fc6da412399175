//! What a schema does not say of `http`.

use std::collections::BTreeMap;

use super::Http;
use crate::tree::{Node, join};
use crate::{Diagnostic, WebConfig};

/// A key that is shorter can be found by trying.
const SHORT_KEY: usize = 16;

/// Notes what does not go together, before keys are replaced by their hashes.
pub(crate) fn check(http: &Http, root: &Node, faults: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) {
    keys(http, root, faults, warnings);
    users(http, root, faults);
    tls(http, root, faults);
    let mut says =
        |pointer: &str, message: &str| warnings.push(root.locate(pointer).0.says(pointer, message));
    let certificates = http.tls.client_ca_file.is_some();
    if http.allow_anonymous && (!http.auth.is_empty() || certificates) {
        says("/http/allow_anonymous", "has no effect: http.auth or http.tls says who may see API and UI");
    }
    if let Some(path) = &http.web_config_file {
        match WebConfig::examine(path) {
            Ok((web, mut found)) => {
                faults.append(&mut found);
                web_config(http, &web, root, faults);
            }
            Err(message) => {
                let pointer = "/http/web_config_file";
                faults.push(root.locate(pointer).0.says(pointer, message));
            }
        }
    }
}

fn keys(http: &Http, root: &Node, faults: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) {
    let mut names = BTreeMap::new();
    let mut digests = BTreeMap::new();
    for (n, key) in http.auth.api_keys.iter().enumerate() {
        let pointer = join("/http/auth/api_keys", n);
        let at = root.locate(&pointer).0;
        let name = key.name.clone().unwrap_or_else(|| format!("key{}", n + 1));
        if let Some(first) = names.insert(name, n) {
            faults.push(
                at.says(&pointer, format!("has the name of api_keys[{first}]; give it another `name`")),
            );
        }
        let digest = match (&key.key, &key.sha256) {
            (Some(plain), None) => {
                let text = plain.expose();
                if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()) {
                    faults.push(at.says(&pointer, "a key has letters, digits and signs, and no spaces"));
                } else if text.len() < SHORT_KEY {
                    warnings.push(at.says(
                        &pointer,
                        "is short enough to be guessed; `pgmon hash-key --generate` makes a good key",
                    ));
                }
                super::key_digest(text)
            }
            (None, Some(digest)) => digest.expose().to_ascii_lowercase(),
            (Some(_), Some(_)) => {
                faults.push(at.says(&pointer, "has both a key and a sha256; keep one of them"));
                continue;
            }
            (None, None) => {
                faults.push(at.says(&pointer, "needs a key, a key_file or a sha256"));
                continue;
            }
        };
        if let Some(first) = digests.insert(digest, n) {
            faults.push(at.says(&pointer, format!("is the same key as api_keys[{first}]")));
        }
    }
}

fn users(http: &Http, root: &Node, faults: &mut Vec<Diagnostic>) {
    let mut names = BTreeMap::new();
    for (n, user) in http.auth.basic.iter().enumerate() {
        let pointer = join("/http/auth/basic", n);
        let at = root.locate(&pointer).0;
        if user.user.is_empty() || user.user.contains(|c: char| c == ':' || c.is_control()) {
            faults.push(at.says(&pointer, "needs a `user`, which has no colon"));
        } else if let Some(first) = names.insert(&user.user, n) {
            faults.push(at.says(&pointer, format!("is the same user as basic[{first}]")));
        }
        if user.password_hash.is_empty() {
            let mut fault = at.says(&pointer, "needs a password_hash or a password_hash_file");
            fault.hint = Some("`pgmon hash-password` makes one".to_owned());
            faults.push(fault);
        }
    }
}

fn tls(http: &Http, root: &Node, faults: &mut Vec<Diagnostic>) {
    let mut says = |message: &str| faults.push(root.locate("/http/tls").0.says("/http/tls", message));
    let tls = &http.tls;
    match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) | (None, Some(_)) => says("cert_file and key_file go together: set both or none"),
        (None, None) if tls.client_ca_file.is_some() => says("client_ca_file needs cert_file and key_file"),
        _ => {}
    }
}

/// What both files say.
fn web_config(http: &Http, web: &WebConfig, root: &Node, faults: &mut Vec<Diagnostic>) {
    let pointer = "/http/web_config_file";
    let mut says = |message: String| faults.push(root.locate(pointer).0.says(pointer, message));
    if web.serves_tls() && http.tls.cert_file.is_some() {
        says("has a tls_server_config, and http.tls has a certificate as well; keep one of them".to_owned());
    }
    for user in http.auth.basic.iter().filter(|user| web.basic_auth_users.contains_key(&user.user)) {
        says(format!("has the user {} of http.auth.basic as well; keep one of them", user.user));
    }
}
