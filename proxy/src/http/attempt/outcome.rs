//! How an attempt ended. Told by [`super::one`]; the loop in [`super`] and `race` decide by it what follows.

use super::failure::Failure;
use crate::failure::ResponseFlags;
use crate::http::trace::attempt::Ended;
use crate::http::upstreams::{Lease, Target};
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::message::{BodyLength, ResponseHead};

/// How an attempt ended.
// Moved once, and in the usual case the large variant: a box would cost an allocation a request.
#[allow(clippy::large_enum_variant)]
pub(super) enum Outcome {
    /// With a response head. The flag tells that an informational head went to the client before.
    Answer(Lease, ResponseHead, (Target, bool)),
    /// Without.
    Failed(Failure, Option<Target>, Reached),
    /// Its time is up, and it goes on: another one may overtake it.
    Late(Lease, Target),
}

/// How far an attempt came that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    Nobody,
    /// The request's head was sent.
    Upstream,
    /// And an informational head of the answer went to the client.
    Client,
}

impl Outcome {
    pub fn target(&self) -> Option<&Target> {
        match self {
            Outcome::Answer(_, _, (target, _)) | Outcome::Late(_, target) => Some(target),
            Outcome::Failed(_, target, _) => target.as_ref(),
        }
    }

    /// It was given up, for it took too long.
    pub fn is_late(&self) -> bool {
        matches!(self, Outcome::Late(..) | Outcome::Failed(Failure::Timeout(_), ..))
    }

    /// Whether it had a host to go to, and whether anything was sent there.
    pub fn reached(&self) -> (bool, bool) {
        match self {
            Outcome::Answer(..) | Outcome::Late(..) => (true, true),
            Outcome::Failed(_, target, reached) => (target.is_some(), *reached != Reached::Nobody),
        }
    }

    /// What a log says of a failure.
    pub fn flags(&self) -> ResponseFlags {
        match self {
            Outcome::Failed(failure, ..) => failure.flags(),
            Outcome::Answer(..) | Outcome::Late(..) => ResponseFlags::NONE,
        }
    }

    /// How it ended, once it is not waited for any more.
    pub fn ended(&self) -> Ended {
        match self {
            Outcome::Answer(_, head, _) if head.body == BodyLength::Empty => Ended::Whole,
            Outcome::Answer(..) | Outcome::Late(..) => Ended::Canceled,
            Outcome::Failed(failure, ..) => failure.ended(),
        }
    }

    /// What it was answered with.
    pub fn head(&self) -> Option<&ResponseHead> {
        match self {
            Outcome::Answer(_, head, _) => Some(head),
            Outcome::Failed(..) | Outcome::Late(..) => None,
        }
    }

    /// Logs tell what it was on the wire, if it was answered; that of others has been told.
    pub fn told(&mut self, info: &mut StreamInfo) {
        if let Outcome::Answer(lease, ..) = self {
            info.host_wire(|| lease.stream().on_wire());
        }
    }

    pub fn status(&self) -> Option<u16> {
        self.head().map(|head| head.status)
    }
}
