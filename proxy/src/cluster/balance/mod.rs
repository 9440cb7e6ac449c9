//! Load balancing as one worker does it: which priority, which locality, which host. Envoy's arithmetic, without any lock.

mod chooser;
mod edf;
mod hashing;
mod level;
mod load;
mod members;
mod murmur;
mod slow_start;
mod subsets;
mod twister;
mod zones;

pub use level::{Balancer, Group, Limits};
pub use load::PriorityLoad;
pub use subsets::{SubsetCounters, Subsets};
pub use zones::{Members, ZoneCounters, Zones};
