//! What a control plane sent, and what the proxy thought of it.
//!
//! Made by the ADS and SDS tasks, read by the proxy's control thread. Must never hold a decoded resource.

use std::sync::Arc;

use bytes::Bytes;

/// One resource as it came: the bytes are never changed, so that they can be shown as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The resource's name, never empty.
    pub name: String,
    /// The resource's own version; many control planes leave it empty.
    pub version: String,
    /// `Any.value`. Its type is the update's `type_url`.
    pub body: Bytes,
}

/// One response of the control plane for one type.
#[derive(Debug, Clone)]
pub struct Update {
    /// To be given back with the verdict.
    pub id: UpdateId,
    /// The type of every resource in it.
    pub type_url: Arc<str>,
    /// Whether it came over the delta protocol.
    pub delta: bool,
    /// `system_version_info` (delta) or `version_info` (state of the world).
    pub version: String,
    /// New or changed resources, or resources sent again without change.
    pub resources: Vec<Resource>,
    /// Resources of the type that are refused for how they came, with the reason that the control plane will read. What is in use of
    /// their names may lack what they carry.
    pub refused: Vec<(Resource, String)>,
    /// Names that exist no longer. A state-of-the-world response for clusters or listeners removes by absence; that is
    /// already worked out here.
    pub removed: Vec<String>,
}

/// Names one update in a verdict. A verdict for a stream that is gone still counts for what is held, but nothing is
/// sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpdateId {
    pub(crate) type_url: Arc<str>,
    pub(crate) sequence: u64,
}

impl UpdateId {
    /// The id of the `sequence`-th response of a type. The client gives each response its own; others need one only to play a
    /// control plane without a stream.
    pub fn new(type_url: Arc<str>, sequence: u64) -> Self {
        Self { type_url, sequence }
    }
}

/// A resource that the proxy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The resource's name, as in [`Resource::name`].
    pub name: String,
    /// Why, with the field's path; it is shown to the operator by the control plane.
    pub reason: String,
}

/// `Ok` acknowledges the whole update; `Err` lists the refused resources, and the others count as applied.
pub type Verdict = Result<(), Vec<Rejected>>;

/// Longest `error_detail` that is sent, in bytes. Servers limit what they receive (4 MiB is usual), and a NACK that is
/// refused for its size tears the stream down.
const MAX_ERROR_DETAIL: usize = 256 * 1024;

/// The text of a NACK: every refused resource with its reason, cut with a count if it grows too long.
pub(crate) fn error_detail(rejected: &[Rejected]) -> String {
    let mut text = String::new();
    for (index, one) in rejected.iter().enumerate() {
        if !text.is_empty() {
            text.push('\n');
        }
        if text.len() + one.name.len() + one.reason.len() > MAX_ERROR_DETAIL {
            text.push_str(&format!("and {} more", rejected.len() - index));
            break;
        }
        text.push_str(&one.name);
        text.push_str(": ");
        text.push_str(&one.reason);
    }
    text
}
