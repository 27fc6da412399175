//! Token buckets: who sends too much.
//!
//! A bucket is one number, the time at which it is full again, so that a full one need not be kept. The
//! table is bounded. The crate `governor` does the same sums, but its tables of clients are not bounded,
//! and it does not say what is left for the `RateLimit-*` headers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets that are kept apart; further clients share one.
const CLIENTS: usize = 10_000;

/// A full table is searched for full buckets at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Whose bucket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Whoever uses this key, password, certificate or session.
    Credential([u8; 32]),
    /// Whoever asks from this address.
    Address(IpAddr),
}

impl Client {
    /// The client behind an address. One machine has a whole /64 of IPv6 addresses.
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            v4 => v4,
        })
    }
}

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens a second.
    pub per_second: f64,
    /// Tokens in a full bucket.
    pub burst: u32,
}

impl Rate {
    /// The time in which one token comes.
    fn step(self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// The time in which an empty bucket becomes full.
    fn window(self) -> Duration {
        self.step().saturating_mul(self.burst)
    }
}

/// What became of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether there was one.
    pub allowed: bool,
    /// Tokens in a full bucket.
    pub limit: u32,
    /// Tokens that are left.
    pub remaining: u32,
    /// Seconds until the bucket is full.
    pub reset: u64,
    /// Seconds in which an empty bucket becomes full.
    pub window: u64,
    /// Seconds until there is a token.
    pub retry_after: u64,
}

/// The buckets of all clients.
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// When each bucket is full again.
    full_at: HashMap<Client, Duration>,
    /// The bucket of the clients that have no room in the table.
    others: Duration,
    swept: Option<Duration>,
}

impl Table {
    fn bucket(&mut self, client: Client, now: Duration) -> &mut Duration {
        if self.full_at.len() >= CLIENTS && !self.full_at.contains_key(&client) {
            if self.swept.is_none_or(|at| now.saturating_sub(at) >= SWEEP_EVERY) {
                self.swept = Some(now);
                self.full_at.retain(|_, full_at| *full_at > now);
            }
            if self.full_at.len() >= CLIENTS {
                return &mut self.others;
            }
        }
        self.full_at.entry(client).or_default()
    }
}

impl Limiter {
    /// Takes a token at the monotonic time `now`, if there is one.
    pub fn take(&self, client: Client, rate: Rate, now: Duration) -> Verdict {
        self.with(client, rate, now, true)
    }

    /// What taking a token would give.
    pub fn look(&self, client: Client, rate: Rate, now: Duration) -> Verdict {
        self.with(client, rate, now, false)
    }

    /// Gives a token back.
    pub fn give_back(&self, client: Client, rate: Rate) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full_at) = table.full_at.get_mut(&client) {
            *full_at = full_at.saturating_sub(rate.step());
        }
    }

    fn with(&self, client: Client, rate: Rate, now: Duration, take: bool) -> Verdict {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = table.bucket(client, now);
        let (step, window) = (rate.step(), rate.window());
        let full_at = (*bucket).max(now);
        let after = full_at.saturating_add(step);
        let allowed = after.saturating_sub(now) <= window;
        if allowed && take {
            *bucket = after;
        }
        let filling = (if allowed { after } else { full_at }).saturating_sub(now);
        Verdict {
            allowed,
            limit: rate.burst,
            remaining: if allowed { tokens(window.saturating_sub(filling), rate) } else { 0 },
            reset: ceil(filling),
            window: ceil(window),
            retry_after: if allowed { 0 } else { ceil(after.saturating_sub(now).saturating_sub(window)) },
        }
    }
}

fn tokens(time: Duration, rate: Rate) -> u32 {
    let step = rate.step().as_nanos().max(1);
    u32::try_from(time.as_nanos() / step).unwrap_or(rate.burst).min(rate.burst)
}

fn ceil(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const RATE: Rate = Rate { per_second: 10.0, burst: 3 };

    fn client(n: u32) -> Client {
        Client::of(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let limiter = Limiter::default();
        let left: Vec<_> = (0..5).map(|_| limiter.take(client(1), RATE, at(0))).collect();
        assert_eq!(left.iter().map(|v| v.allowed).collect::<Vec<_>>(), [true, true, true, false, false]);
        assert_eq!(left.iter().map(|v| v.remaining).collect::<Vec<_>>(), [2, 1, 0, 0, 0]);
        assert_eq!((left[3].limit, left[3].retry_after, left[3].reset, left[3].window), (3, 1, 1, 1));
        assert!(limiter.take(client(2), RATE, at(0)).allowed, "each client has a bucket of its own");
        assert!(!limiter.take(client(1), RATE, at(99)).allowed);
        assert!(
            limiter.look(client(1), RATE, at(100)).allowed && limiter.take(client(1), RATE, at(100)).allowed
        );
        assert!(!limiter.take(client(1), RATE, at(100)).allowed, "looking took nothing, taking did");
        let later = limiter.take(client(1), RATE, at(3_600_000));
        assert_eq!((later.allowed, later.remaining), (true, 2), "a bucket holds no more than its burst");
    }

    #[test]
    fn the_table_is_bounded_and_full_buckets_leave_it() {
        let limiter = Limiter::default();
        let many = u32::try_from(CLIENTS).unwrap();
        for n in 0..many {
            assert!(limiter.take(client(n), RATE, at(0)).allowed);
        }
        let more = (0..10).filter(|n| limiter.take(client(many + n), RATE, at(0)).allowed).count();
        assert_eq!(more, 3, "those without room share one bucket");
        assert!(limiter.take(client(5), RATE, at(0)).allowed, "those in the table are not affected");
        assert!((0..10).all(|n| limiter.take(client(many + n), RATE, at(2_000)).allowed));
        assert!(limiter.0.lock().unwrap().full_at.len() <= 10);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
