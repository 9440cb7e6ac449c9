//! `Http2ProtocolOptions`, of clusters and of connection managers. Called by [`super::http_options`] and by the manager's decoder.

use std::sync::Arc;
use std::time::Duration;

use crate::field_rules;
use crate::proto::{self, core::v3 as core, uint32};
use crate::rejection::{At, Rejection};

/// HTTP/2 settings of either side. `None` = Envoy's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Http2Settings {
    /// Concurrent streams.
    pub max_concurrent_streams: Option<u32>,
    /// Octets.
    pub initial_stream_window: Option<u32>,
    /// Octets.
    pub initial_connection_window: Option<u32>,
    /// Extended CONNECT.
    pub allow_connect: bool,
    /// PING interval (`connection_keepalive.interval`).
    pub keepalive_interval: Option<Duration>,
    /// PING timeout.
    pub keepalive_timeout: Option<Duration>,
    /// What hardly anybody says; thousands of clusters hold this.
    pub further: Option<Arc<Http2Further>>,
}

/// The rest of the settings. `None` = Envoy's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Http2Further {
    /// Octets of the compression's tables.
    pub hpack_table_size: Option<u32>,
    /// Frames that may wait to be written.
    pub max_outbound_frames: Option<u32>,
    /// Answers to PING and SETTINGS, and resets, that may wait to be written.
    pub max_outbound_control_frames: Option<u32>,
    /// Frames in a row without payload.
    pub max_empty_frames: Option<u32>,
    /// PRIORITY frames for each stream.
    pub max_priority_frames: Option<u32>,
    /// WINDOW_UPDATE frames for each DATA frame that was sent.
    pub max_window_updates: Option<u32>,
    /// Whether a malformed message ends its stream alone (`override_stream_error_on_invalid_http_message`).
    pub stream_errors: Option<bool>,
    /// Settings that the peer is told on top of the usual ones.
    pub custom_settings: Vec<(u16, u32)>,
    /// Percent of the interval that chance may add.
    pub keepalive_jitter: Option<f64>,
    /// A PING goes ahead of a request when nothing has come for so long.
    pub keepalive_idle_interval: Option<Duration>,
    /// Whether all text of headers is Huffman coded.
    pub huffman: Option<bool>,
    /// Octets of a single name or value, as it is encoded.
    pub max_header_field: Option<u32>,
    /// Values with octets above 0x7f are malformed.
    pub disallow_obs_text: bool,
    /// Resets that a client may send at once,
    pub stream_reset_burst: Option<u64>,
    /// and then so many a second.
    pub stream_reset_rate: Option<u64>,
}

const LARGEST: u64 = (1 << 31) - 1;
const SMALLEST_WINDOW: u64 = 65_535;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The message, within the ranges that Envoy allows.
pub(crate) fn settings(at: &At<'_>, proto: &core::Http2ProtocolOptions) -> Result<Http2Settings, Rejection> {
    let within = |field: &str, value: &Option<_>, least: u64| {
        let value = uint32(value);
        if let Some(value) = value {
            field_rules::within(&at.field(field), u64::from(value), least, LARGEST)?;
        }
        Ok::<_, Rejection>(value)
    };
    let mut settings = Http2Settings {
        max_concurrent_streams: within("max_concurrent_streams", &proto.max_concurrent_streams, 1)?,
        initial_stream_window: within(
            "initial_stream_window_size",
            &proto.initial_stream_window_size,
            SMALLEST_WINDOW,
        )?,
        initial_connection_window: within(
            "initial_connection_window_size",
            &proto.initial_connection_window_size,
            SMALLEST_WINDOW,
        )?,
        allow_connect: proto.allow_connect,
        ..Http2Settings::default()
    };
    let mut further = further(proto);
    if let Some(keepalive) = &proto.connection_keepalive {
        let at = at.field("connection_keepalive");
        settings.keepalive_timeout = proto::positive(&at.field("timeout"), &keepalive.timeout)?;
        settings.keepalive_interval = proto::positive(&at.field("interval"), &keepalive.interval)?;
        further.keepalive_jitter = field_rules::percent(&at.field("interval_jitter"), &keepalive.interval_jitter)?;
        further.keepalive_idle_interval =
            proto::positive(&at.field("connection_idle_interval"), &keepalive.connection_idle_interval)?;
    }
    custom(&at.field("custom_settings_parameters"), proto, &mut settings, &mut further)?;
    settings.further = (further != Http2Further::default()).then(|| Arc::new(further));
    Ok(settings)
}

fn further(proto: &core::Http2ProtocolOptions) -> Http2Further {
    let max_header_field = uint32(&proto.max_header_field_size_kb);
    let asked = proto.override_stream_error_on_invalid_http_message.as_ref().map(|value| value.value);
    // `false` of the deprecated one is the same as nothing.
    #[allow(deprecated)]
    let deprecated = proto.stream_error_on_invalid_http_messaging.then_some(true);
    Http2Further {
        hpack_table_size: uint32(&proto.hpack_table_size),
        max_outbound_frames: uint32(&proto.max_outbound_frames),
        max_outbound_control_frames: uint32(&proto.max_outbound_control_frames),
        max_empty_frames: uint32(&proto.max_consecutive_inbound_frames_with_empty_payload),
        max_priority_frames: uint32(&proto.max_inbound_priority_frames_per_stream),
        max_window_updates: uint32(&proto.max_inbound_window_update_frames_per_data_frame_sent),
        stream_errors: asked.or(deprecated),
        huffman: proto.enable_huffman_encoding.as_ref().map(|value| value.value),
        max_header_field: max_header_field.map(|kib| kib * 1024),
        disallow_obs_text: proto::bool_or(&proto.disallow_obs_text, false),
        stream_reset_burst: proto.stream_reset_burst.as_ref().map(|value| value.value),
        stream_reset_rate: proto.stream_reset_rate.as_ref().map(|value| value.value),
        ..Http2Further::default()
    }
}

/// Settings by number. Those that have a field of their own act as that field does.
fn custom(
    at: &At<'_>,
    proto: &core::Http2ProtocolOptions,
    settings: &mut Http2Settings,
    further: &mut Http2Further,
) -> Result<(), Rejection> {
    let mut seen: Vec<(u16, u32)> = Vec::new();
    for (index, parameter) in proto.custom_settings_parameters.iter().enumerate() {
        let at = at.index(index);
        let identifier = uint32(&parameter.identifier).ok_or_else(|| at.field("identifier").reject("is required"))?;
        let value = uint32(&parameter.value).ok_or_else(|| at.field("value").reject("is required"))?;
        let id = u16::try_from(identifier).map_err(|_| at.field("identifier").reject("must be at most 65535"))?;
        match seen.iter().find(|(known, _)| *known == id) {
            Some((_, known)) if *known == value => continue,
            Some(_) => return Err(at.reject(format!("the setting {id} has another value before"))),
            None => seen.push((id, value)),
        }
        let given = |named: Option<u32>, field: &str| match named {
            None => Ok(Some(value)),
            Some(_) => Err(at.reject(format!("the setting {id} is given by {field}, too"))),
        };
        let in_range = |low, high| field_rules::within(&at.field("value"), u64::from(value), low, high);
        match id {
            HEADER_TABLE_SIZE => further.hpack_table_size = given(further.hpack_table_size, "hpack_table_size")?,
            MAX_CONCURRENT_STREAMS => {
                settings.max_concurrent_streams = given(settings.max_concurrent_streams, "max_concurrent_streams")?;
            }
            INITIAL_WINDOW_SIZE => {
                in_range(SMALLEST_WINDOW, LARGEST)?;
                settings.initial_stream_window = given(settings.initial_stream_window, "initial_stream_window_size")?;
            }
            ENABLE_PUSH => return Err(at.reject("pushes are never taken")),
            ENABLE_CONNECT_PROTOCOL => return Err(at.reject("is said by allow_connect alone")),
            MAX_FRAME_SIZE => in_range(16_384, 16_384)?,
            _ => further.custom_settings.push((id, value)),
        }
    }
    Ok(())
}
