//! Takes the figures: one poller drives every source.
//!
//! [`postgres`] holds the collectors, the guarded connection that runs their statements, the facts
//! that decide what runs, and the driver of one configured database. [`services`] checks what is no
//! database. [`clusters`] holds those who ask managers of highly available PostgreSQL. [`history`] keeps the last
//! hour, and [`certificates`] what all verifiers of certificates have in common.

pub mod certificates;
pub mod clusters;
pub mod history;
pub mod poller;
pub mod postgres;
pub mod services;
