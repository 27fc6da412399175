//! Where an answer may lead to.
//!
//! Redirects come from a stranger. So a stranger on the network must not lead pgmon to what only this
//! machine can reach (another program's loopback port, the cloud's metadata), and what the configuration gives to
//! one program (headers, credentials, a body) goes to no other.

use crate::services::probe::Fault;
use hyper::StatusCode;
use pgmon_config::{HttpMethod, HttpUrl};
use std::net::IpAddr;

/// Where the first request went.
pub(super) struct Origin {
    home: HttpUrl,
    /// Whether it went to this machine; known once it is connected.
    local: Option<bool>,
    /// Whether the request is still the first.
    first: bool,
}

impl Origin {
    /// Before the first request.
    pub fn new(home: &HttpUrl) -> Self {
        Self { home: home.clone(), local: None, first: true }
    }

    /// Whether a URL leads to the configured program.
    pub fn is_home(&self, url: &HttpUrl) -> bool {
        self.home.has_origin_of(url)
    }

    /// A redirect is about to be followed.
    pub fn leaves_for(&mut self, next: &HttpUrl) -> Result<(), Fault> {
        if self.home.is_https() && !next.is_https() {
            return Err(Fault::down("it redirects from https to http, which is not followed"));
        }
        self.first = false;
        Ok(())
    }

    /// Whether an address may be connected to: the one that the configuration leads to, always.
    pub fn admits(&self, ip: IpAddr) -> Result<(), Fault> {
        if self.first || self.local == Some(true) || !is_near(ip) {
            return Ok(());
        }
        Err(Fault::down("it redirects to an address of this machine or link, which is not followed"))
    }

    /// The first request went there.
    pub fn reached(&mut self, ip: Option<IpAddr>) {
        if self.first {
            self.local = ip.map(is_near);
        }
    }
}

/// Whether an address is this machine's, or of the link alone: nobody else's redirects lead there by right.
fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast(),
        // fe80::/10, and the unique local address of a cloud's metadata.
        IpAddr::V6(ip) => {
            let [first, ..] = ip.segments();
            ip.is_loopback() || ip.is_unspecified() || first & 0xffc0 == 0xfe80 || first == 0xfd00
        }
    }
}

/// Whether a status asks to go elsewhere.
pub(super) fn is_one(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The method of the next request, as browsers choose it.
pub(super) fn method(method: HttpMethod, status: StatusCode) -> HttpMethod {
    match (status.as_u16(), method) {
        (303, HttpMethod::Head) => HttpMethod::Head,
        (303, _) | (301 | 302, HttpMethod::Post) => HttpMethod::Get,
        _ => method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_lead_to_this_machine_nor_out_of_tls() {
        let url = |text: &str| text.parse::<HttpUrl>().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut stranger = Origin::new(&url("https://api.example.org/"));
        assert!(stranger.admits(ip("127.0.0.1")).is_ok(), "the configuration itself may");
        stranger.reached(Some(ip("203.0.113.7")));
        stranger.leaves_for(&url("https://elsewhere.example.org/")).unwrap();
        for near in
            ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0", "fe80::1", "fd00:ec2::254"]
        {
            assert!(stranger.admits(ip(near)).is_err(), "{near}");
        }
        assert!(stranger.admits(ip("10.0.0.1")).is_ok() && stranger.admits(ip("203.0.113.8")).is_ok());
        assert!(stranger.leaves_for(&url("http://api.example.org/")).is_err());
        let mut own = Origin::new(&url("http://localhost/"));
        own.reached(Some(ip("127.0.0.1")));
        own.leaves_for(&url("http://localhost:81/")).unwrap();
        assert!(own.admits(ip("::1")).is_ok());
        assert!(own.is_home(&url("http://localhost/x")) && !own.is_home(&url("http://localhost:81/")));
    }
}
