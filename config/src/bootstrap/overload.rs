//! `Bootstrap.overload_manager`: what is watched, and what is done when there is too little of it. Called by [`super::translate`]; names
//! that are given twice and actions that there are not, [`super::together`] has refused.

use std::sync::Arc;
use std::time::Duration;

use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::resource_monitors::cgroup_memory::v3::CgroupMemoryConfig;
use crate::proto::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig;
use crate::proto::extensions::resource_monitors::injected_resource::v3::InjectedResourceConfig;
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
    /// Where load is shed.
    pub points: Vec<LoadShedPoint>,
    /// What `reduce_timeouts` shortens.
    pub timers: Vec<ScaledTimer>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// Memory of the process, against this.
    Heap(u64),
    /// Memory of the control group, against its limit or, where that is less, this.
    Group(Option<u64>),
    /// A number between 0 and 1 that stands in a file, for trials.
    File(Arc<str>),
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct OverloadAction {
    /// Envoy's name of it.
    pub name: Arc<str>,
    /// What.
    pub remedy: Remedy,
    /// Any of these.
    pub triggers: Vec<Trigger>,
}

/// When something is done, and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// The monitor's name.
    pub monitor: Arc<str>,
    /// Above this share of the resource (0 to 1) it is done in part.
    pub scaling: f64,
    /// From this on in full.
    pub saturation: f64,
}

impl Trigger {
    /// How far it is done, from 0 to 1, at a pressure.
    pub fn state(&self, pressure: f64) -> f64 {
        match () {
            () if pressure >= self.saturation => 1.0,
            () if pressure > self.scaling => (pressure - self.scaling) / (self.saturation - self.scaling),
            () => 0.0,
        }
    }
}

/// A place where load is shed.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadShedPoint {
    /// Envoy's name of it.
    pub name: Arc<str>,
    /// Where.
    pub at: ShedAt,
    /// When.
    pub triggers: Vec<Trigger>,
}

/// Where load is shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedAt {
    /// Where connections are accepted.
    Accept,
    /// Where requests begin.
    Request,
    /// Where connections get their codec.
    Codec,
    /// Where requests are forwarded.
    Router,
}

/// A timeout that is shortened.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledTimer {
    /// Which.
    pub timer: Timer,
    /// What it is at last.
    pub least: Least,
}

/// Timeouts that can be shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// `idle_timeout` of connections.
    ConnectionIdle,
    /// `stream_idle_timeout`, and `idle_timeout` of routes.
    StreamIdle,
    /// `max_connection_duration`.
    ConnectionMax,
}

/// What a timeout is at last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Least {
    /// `min_timeout`.
    Time(Duration),
    /// `min_scale`: so much of itself.
    Share(f64),
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
    /// Requests are refused.
    StopRequests,
    /// Timeouts are shortened.
    ReduceTimeouts,
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
    let mut points = Vec::new();
    for (index, one) in manager.loadshed_points.iter().enumerate() {
        let at = at.field("loadshed_points");
        points.extend(point(&at.index(index), one, manager, options)?);
    }
    let mut timers = Vec::new();
    for (index, one) in manager.actions.iter().enumerate().filter(|(_, one)| one.name == REDUCE_TIMEOUTS) {
        let at = at.field("actions");
        timers = self::timers(&at.index(index).field("typed_config"), one, options)?;
    }
    Ok(Overload { interval, monitors, actions, points, timers })
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
        Some("InjectedResourceConfig") => {
            let injected: InjectedResourceConfig = extension.decode(&at, options)?;
            Watched::File(field_rules::not_empty(&at.field("filename"), &injected.filename)?)
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
    let triggers = triggers(at, &format!("overload action {}", proto.name), &proto.triggers, manager)?;
    let remedy = match proto.name.strip_prefix("envoy.overload_actions.") {
        Some("stop_accepting_connections") => Remedy::StopAccepting,
        Some("reject_incoming_connections") => Remedy::Reject,
        Some("disable_http_keepalive") => Remedy::DisableKeepalive,
        Some("shrink_heap") => {
            if proto.typed_config.is_some() {
                options.note(&at.field("typed_config"), "is not acting: memory is given back every ten seconds");
            }
            Remedy::ShrinkHeap
        }
        Some("stop_accepting_requests") => Remedy::StopRequests,
        Some("reduce_timeouts") => Remedy::ReduceTimeouts,
        Some("reset_high_memory_stream") => {
            options
                .note(&at.field("name"), "reset_high_memory_stream is not acting: memory is not accounted by stream");
            return Ok(None);
        }
        _ => {
            options.note(&at.field("name"), format_args!("{} is not acting: it is not done here", proto.name));
            return Ok(None);
        }
    };
    Ok(Some(OverloadAction { name: Arc::from(proto.name.as_str()), remedy, triggers }))
}

fn triggers(
    at: &At<'_>,
    whose: &str,
    list: &[pb::Trigger],
    manager: &pb::OverloadManager,
) -> Result<Vec<Trigger>, Rejection> {
    use pb::trigger::TriggerOneof;
    let at_triggers = at.field("triggers");
    let mut triggers = Vec::new();
    for (index, trigger) in list.iter().enumerate() {
        let at = at_triggers.index(index);
        if !manager.resource_monitors.iter().any(|monitor| monitor.name == trigger.name) {
            return Err(at.field("name").reject(format!(
                "Unknown trigger resource {} for {whose}; name one of resource_monitors",
                trigger.name
            )));
        }
        let (scaling, saturation) = match &trigger.trigger_oneof {
            Some(TriggerOneof::Threshold(threshold)) => (threshold.value, threshold.value),
            Some(TriggerOneof::Scaled(scaled)) if scaled.scaling_threshold >= scaled.saturation_threshold => {
                let at = at.field("scaled");
                return Err(at.reject("scaling_threshold must be less than saturation_threshold; correct them"));
            }
            Some(TriggerOneof::Scaled(scaled)) => (scaled.scaling_threshold, scaled.saturation_threshold),
            None => return Err(at.reject("action trigger must be set for trigger; give threshold or scaled")),
        };
        triggers.push(Trigger { monitor: Arc::from(trigger.name.as_str()), scaling, saturation });
    }
    Ok(triggers)
}

fn point(
    at: &At<'_>,
    proto: &pb::LoadShedPoint,
    manager: &pb::OverloadManager,
    options: &Options,
) -> Result<Option<LoadShedPoint>, Rejection> {
    let triggers = triggers(at, &format!("load shed point {}", proto.name), &proto.triggers, manager)?;
    let place = match proto.name.strip_prefix("envoy.load_shed_points.") {
        Some("tcp_listener_accept") => ShedAt::Accept,
        Some("http_connection_manager_decode_headers") => ShedAt::Request,
        Some("hcm_ondata_creating_codec") => ShedAt::Codec,
        Some("http_downstream_filter_check") => ShedAt::Router,
        _ => {
            options.note(&at.field("name"), format_args!("{} is not acting: no load is shed there", proto.name));
            return Ok(None);
        }
    };
    Ok(Some(LoadShedPoint { name: Arc::from(proto.name.as_str()), at: place, triggers }))
}

const REDUCE_TIMEOUTS: &str = "envoy.overload_actions.reduce_timeouts";

fn timers(at: &At<'_>, action: &pb::OverloadAction, options: &Options) -> Result<Vec<ScaledTimer>, Rejection> {
    use pb::scale_timers_overload_action_config::{TimerType, scale_timer::OverloadAdjust};
    let extension = extension::open_required(at, &action.typed_config)?;
    let config: pb::ScaleTimersOverloadActionConfig = extension.decode(at, options)?;
    let at_factors = at.field("timer_scale_factors");
    let mut timers: Vec<ScaledTimer> = Vec::new();
    for (index, factor) in config.timer_scale_factors.iter().enumerate() {
        let at = at_factors.index(index);
        let kind = proto::defined::<TimerType>(&at.field("timer"), factor.timer)?;
        let timer = match kind {
            TimerType::HttpDownstreamConnectionIdle => Timer::ConnectionIdle,
            TimerType::HttpDownstreamStreamIdle => Timer::StreamIdle,
            TimerType::HttpDownstreamConnectionMax => Timer::ConnectionMax,
            TimerType::Unspecified => return Err(at.field("timer").reject("Unknown timer type 0; name one")),
            TimerType::TransportSocketConnect | TimerType::HttpDownstreamStreamFlush => {
                let name = kind.as_str_name();
                options.note(&at.field("timer"), format_args!("{name} is not acting: this timeout is not shortened"));
                continue;
            }
        };
        if timers.iter().any(|known| known.timer == timer) {
            return Err(at
                .field("timer")
                .reject(format!("Found duplicate entry for timer type {}", kind.as_str_name())));
        }
        let least = match &factor.overload_adjust {
            Some(OverloadAdjust::MinTimeout(least)) => {
                Least::Time(proto::duration(&at.field("min_timeout"), &Some(*least))?.unwrap_or_default())
            }
            Some(OverloadAdjust::MinScale(percent)) => Least::Share(percent.value / 100.0),
            None => return Err(at.reject("says no least time; give min_timeout or min_scale")),
        };
        timers.push(ScaledTimer { timer, least });
    }
    Ok(timers)
}
