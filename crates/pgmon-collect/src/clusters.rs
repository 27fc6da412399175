//! Clusters: what managers of highly available PostgreSQL say, and what its members say themselves.

pub mod manatee;
