//! Real servers at real work: redis and nginx with data sets of which most is cold, a generator of requests
//! that measures each of them, and tables of what came out. Scenario `real_work` runs this in one of the
//! lab's machines.

pub mod agents;
pub mod bursts;
pub mod compile;
pub mod greedy;
pub mod image;
pub mod latency;
pub mod load;
pub mod neighbour;
pub mod nginx;
pub mod popularity;
pub mod postgres;
pub mod reader;
pub mod record;
pub mod redis;
pub mod results;
pub mod servers;
pub mod sizes;
pub mod table;
pub mod usage;
