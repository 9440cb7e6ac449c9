//! `Bootstrap.overload_manager`: what is watched, and what is done when there is too little of it. Called by [`super::translate`]; names
//! that are given twice and actions that there are not, [`super::together`] has refused.

use std::sync::Arc;
use std::time::Duration;

use crate::extension;
use crate::options::Options;
use crate::proto::extensions::resource_monitors::cgroup_memory::v3::CgroupMemoryConfig;
use crate::proto::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig;
use crate::proto::{self, overload::v3 as pb};
use crate::rejection::{At, Rejection};

/// What is watched, and what is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overload {
    /// Between two looks.
    pub interval: Duration,
    /// What is looked at.
    pub monitors: Vec<Monitor>,
    /// What is done.
    pub actions: Vec<OverloadAction>,
}

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its name, which triggers and statistics repeat.
    pub name: Arc<str>,
    /// What.
    pub watched: Watched,
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Memory of the process, against this.
    Heap(u64),
    /// Memory of the control group, against its limit or, where that is less, this.
    Group(Option<u64>),
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct OverloadAction {
    /// Envoy's name of it.
    pub name: Arc<str>,
    /// What.
    pub remedy: Remedy,
    /// The monitor and the share of its resource (0 to 1) from which on it is done.
    pub triggers: Vec<(Arc<str>, f64)>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Connections wait in the queues.
    StopAccepting,
    /// Connections are taken and closed.
    Reject,
    /// Each response is its connection's last.
    DisableKeepalive,
    /// Memory is given back to the system.
    ShrinkHeap,
}

/// Envoy's.
const INTERVAL: Duration = Duration::from_secs(1);

/// All that acts.
pub(super) fn decode(at: &At<'_>, manager: &pb::OverloadManager, options: &Options) -> Result<Overload, Rejection> {
    let interval = proto::positive(&at.field("refresh_interval"), &manager.refresh_interval)?.unwrap_or(INTERVAL);
    let mut monitors = Vec::new();
    for (index, monitor) in manager.resource_monitors.iter().enumerate() {
        let at = at.field("resource_monitors");
        monitors.extend(self::monitor(&at.index(index), monitor, options)?);
    }
    let mut actions = Vec::new();
    for (index, one) in manager.actions.iter().enumerate() {
        let at = at.field("actions");
        actions.extend(action(&at.index(index), one, manager, options)?);
    }
    Ok(Overload { interval, monitors, actions })
}

fn monitor(at: &At<'_>, proto: &pb::ResourceMonitor, options: &Options) -> Result<Option<Monitor>, Rejection> {
    let at = at.field("typed_config");
    let Some(pb::resource_monitor::ConfigType::TypedConfig(any)) = &proto.config_type else { return Ok(None) };
    let extension = extension::open(&at, any)?;
    let watched = match extension.type_name.rsplit('.').next() {
        Some("FixedHeapConfig") => {
            let heap: FixedHeapConfig = extension.decode(&at, options)?;
            Watched::Heap(heap.max_heap_size_bytes)
        }
        Some("CgroupMemoryConfig") => {
            let group: CgroupMemoryConfig = extension.decode(&at, options)?;
            Watched::Group(Some(group.max_memory_bytes).filter(|most| *most > 0))
        }
        // Connections are counted where they are accepted.
        _ => return Ok(None),
    };
    Ok(Some(Monitor { name: Arc::from(proto.name.as_str()), watched }))
}

fn action(
    at: &At<'_>,
    proto: &pb::OverloadAction,
    manager: &pb::OverloadManager,
    options: &Options,
) -> Result<Option<OverloadAction>, Rejection> {
    let mut triggers = Vec::new();
    for (index, trigger) in proto.triggers.iter().enumerate() {
        let at = at.field("triggers");
        let at = at.index(index);
        if !manager.resource_monitors.iter().any(|monitor| monitor.name == trigger.name) {
            return Err(at.field("name").reject(format!(
                "Unknown trigger resource {} for overload action {}; name one of resource_monitors",
                trigger.name, proto.name
            )));
        }
        use pb::trigger::TriggerOneof;
        let from = match &trigger.trigger_oneof {
            Some(TriggerOneof::Threshold(threshold)) => threshold.value,
            Some(TriggerOneof::Scaled(scaled)) if scaled.scaling_threshold >= scaled.saturation_threshold => {
                let at = at.field("scaled");
                return Err(at.reject("scaling_threshold must be less than saturation_threshold; correct them"));
            }
            // What acts here acts in full or not at all.
            Some(TriggerOneof::Scaled(scaled)) => scaled.saturation_threshold,
            None => return Err(at.reject("action trigger must be set for trigger; give threshold or scaled")),
        };
        triggers.push((Arc::from(trigger.name.as_str()), from));
    }
    let remedy = match proto.name.strip_prefix("envoy.overload_actions.") {
        Some("stop_accepting_connections") => Remedy::StopAccepting,
        Some("reject_incoming_connections") => Remedy::Reject,
        Some("disable_http_keepalive") => Remedy::DisableKeepalive,
        Some("shrink_heap") => Remedy::ShrinkHeap,
        _ => {
            options.note(&at.field("name"), format_args!("{} is not acting: it is not done here", proto.name));
            return Ok(None);
        }
    };
    Ok(Some(OverloadAction { name: Arc::from(proto.name.as_str()), remedy, triggers }))
}
