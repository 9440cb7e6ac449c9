//! The attempts of one call: pick a host, borrow a stream, send, wait for the response head; again if the retry policy says so. Called by
//! `http`, `unary` and `stream`; counts what Envoy's router counts for its own client.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use config::route::RetryPolicy;
use tokio::time::{Instant, timeout_at};

use super::failure::{CallFailure, Why};
use crate::cluster::retry::{Again, Decision, Reset, Retries, Rules, Wishes};
use crate::cluster::{
    Codes, ConnectFailureKind, Host, HttpLease, HttpWant, Outcome, Pick, Priority, RetryPermit, WorkerCluster,
};
use crate::failure::ResponseFlags;
use crate::wire::codec::{ResetReason, StreamError, Upstream};
use crate::wire::grpc;
use crate::wire::headers::Name;
use crate::wire::message::{BodyLength, RequestHead, ResponseHead};

/// What is sent, and on what terms.
pub(super) struct Outgoing {
    pub cluster: Rc<WorkerCluster>,
    pub head: RequestHead,
    /// All of the body; `None` where it follows later: then the head is not waited for, and a retry follows only where nothing was sent.
    pub body: Option<Bytes>,
    /// For the whole call.
    pub timeout: Option<Duration>,
    pub retry: Option<Arc<RetryPolicy>>,
    /// Counted as a request from within.
    pub internal: bool,
    pub begun: Instant,
}

/// A stream to a host. Dropping it before its end resets it, and counts that.
pub(super) struct Open {
    lease: HttpLease,
    cluster: Rc<WorkerCluster>,
    pub host: Host,
    ended: bool,
    internal: bool,
    grpc: bool,
    begun: Instant,
}

impl Open {
    pub fn stream(&mut self) -> &mut dyn Upstream {
        &mut self.lease.stream
    }

    /// Counts the answer that is passed on.
    pub fn answered(&self, head: &ResponseHead) {
        let time = u64::try_from(self.begun.elapsed().as_millis()).ok();
        self.cluster.count_called(Some(&self.host), head.status, Codes::of(self.internal), time, head.is_canary());
    }

    /// The answer did not end in time.
    pub fn timed_out(&self) {
        self.cluster.stats().upstream_rq_timeout.inc();
    }

    /// The answer has ended, and the request had.
    pub fn ended(&mut self) {
        self.ended = true;
    }

    /// The peer ended it before its time.
    pub fn failed(&mut self) {
        self.ended = true;
        self.host.put(Outcome::Failed);
    }

    /// The next head that is not informational.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        loop {
            // What was sent leaves before an answer is waited for; an error of writing is seen by reading.
            let _ = self.stream().poll_flush(cx);
            match self.stream().poll_head(cx) {
                Poll::Ready(Ok(head)) if head.status < 200 => {}
                Poll::Ready(Ok(head)) => {
                    let grpc = self.grpc;
                    self.host.put_answer(&head, || grpc.then(|| grpc::status_as_http(&head.headers)).flatten());
                    return Poll::Ready(Ok(head));
                }
                other => return other,
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.lease.stream.reset(ResetReason::Cancel);
        }
    }
}

/// Why an attempt failed, and what the retry policy is asked about it.
struct Failed {
    why: Why,
    reset: Option<Reset>,
    sent: bool,
    host: Option<Host>,
}

const PRIORITY: Priority = Priority::Default;

impl Outgoing {
    /// A failure of it.
    pub fn failure(&self, why: Why) -> CallFailure {
        CallFailure::new(&self.cluster.config().name, why)
    }

    /// When all must be over.
    pub fn deadline(&self) -> Option<Instant> {
        self.begun.checked_add(self.timeout?)
    }

    /// Sends until an attempt is answered.
    pub async fn answer(&mut self) -> Result<(Open, ResponseHead), CallFailure> {
        match self.run().await? {
            (open, Some(head)) => Ok((open, head)),
            // Where there is a body, `attempt` gives no stream without a head.
            (_, None) => Err(self.failure(Why::Over)),
        }
    }

    /// Connects until an attempt has its stream; its messages follow.
    pub async fn open(&mut self) -> Result<Open, CallFailure> {
        self.run().await.map(|(open, _)| open)
    }

    async fn run(&mut self) -> Result<(Open, Option<ResponseHead>), CallFailure> {
        let rules = self.retry.as_ref().map(Rules::compile);
        let mut retries: Option<Retries<'_, RetryPermit>> = Retries::begin(Wishes::of(rules.as_ref()), rules.as_ref());
        let mut elapsed = Duration::ZERO;
        loop {
            self.tell(elapsed);
            let outcome = self.attempt(retries.as_ref().and_then(Retries::again)).await;
            let decision = match (&outcome, retries.as_mut()) {
                (_, None) | (Ok((_, None)), _) => Decision::PassOn(ResponseFlags::NONE),
                (Ok((_, Some(head))), Some(retries)) => retries.answered(head, || self.cluster.retry_permit(PRIORITY)),
                (Err(failed), Some(retries)) => match failed.reset {
                    Some(reset) => retries.failed(reset, failed.sent, || self.cluster.retry_permit(PRIORITY)),
                    None => Decision::PassOn(ResponseFlags::NONE),
                },
            };
            match decision {
                Decision::After(wait) => {
                    self.count_retried(&outcome);
                    let host = match outcome {
                        Ok((open, _)) => Some(open.host.clone()),
                        Err(failed) => failed.host,
                    };
                    if let (Some(host), Some(retries)) = (host, retries.as_mut()) {
                        retries.attempted(&host);
                    }
                    if within(self.deadline(), tokio::time::sleep(wait.time)).await.is_err() {
                        return Err(self.out_of_time());
                    }
                    self.cluster.stats().upstream_rq_retry.inc();
                    wait.counter(self.cluster.stats()).inc();
                    elapsed = self.begun.elapsed();
                }
                Decision::PassOn(flags) => {
                    if flags.has(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED) {
                        self.cluster.stats().upstream_rq_retry_limit_exceeded.inc();
                    }
                    let succeeded = retries.is_some_and(|retries| retries.succeeded);
                    return self.finish(outcome, succeeded);
                }
            }
        }
    }

    /// It is over, and another one is to follow.
    fn count_retried(&self, outcome: &Result<(Open, Option<ResponseHead>), Failed>) {
        if let Ok((open, Some(head))) = outcome {
            self.cluster.count_retried(head.status, Codes::of(self.internal));
            open.host.count_response(status_for_host(head));
        }
    }

    fn finish(
        &self,
        outcome: Result<(Open, Option<ResponseHead>), Failed>,
        succeeded: bool,
    ) -> Result<(Open, Option<ResponseHead>), CallFailure> {
        match outcome {
            Ok((open, head)) => {
                if let Some(head) = &head {
                    open.answered(head);
                    if succeeded {
                        self.cluster.stats().upstream_rq_retry_success.inc();
                    }
                }
                Ok((open, head))
            }
            Err(failed) => {
                let failure = self.failure(failed.why);
                if let Some(status) = failure.counted_as() {
                    let host = failed.host.filter(|_| failed.sent);
                    self.cluster.count_called(host.as_ref(), status, Codes::of(self.internal), None, false);
                }
                Err(failure)
            }
        }
    }

    /// The whole call took too long, and no attempt is under way.
    fn out_of_time(&self) -> CallFailure {
        self.cluster.count_response(504, Codes::of(self.internal), None);
        self.failure(Why::Timeout(self.timeout.unwrap_or_default(), false))
    }

    /// Tells the service how long it has.
    fn tell(&mut self, elapsed: Duration) {
        let left = self.timeout.map(|all| all.saturating_sub(elapsed));
        let Some(expected) = self.per_try().or(left) else { return };
        // Zero would mean no timeout at all.
        let expected = expected.min(left.unwrap_or(expected)).max(Duration::from_millis(1));
        let mut number = itoa::Buffer::new();
        let text = number.format(u64::try_from(expected.as_millis()).unwrap_or(u64::MAX));
        self.head.headers.set(Name::X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// The timeout of one attempt; one that may take as long as all of them has none of its own.
    fn per_try(&self) -> Option<Duration> {
        let per_try = self.retry.as_ref().and_then(|policy| policy.per_try_timeout)?;
        self.timeout.is_none_or(|all| per_try < all).then_some(per_try)
    }

    async fn attempt(&self, again: Option<Again<'_>>) -> Result<(Open, Option<ResponseHead>), Failed> {
        let before = |why, reset, host| Failed { why, reset, sent: false, host };
        let pick = Pick { again, ..Pick::default() };
        let host = self.cluster.pick(&pick).map_err(|failure| before(Why::NoHost(failure), None, None))?;
        let want = HttpWant {
            // Where a cluster leaves the protocol to its clients: gRPC needs HTTP/2, and Envoy's client takes HTTP/1.1 for the rest.
            downstream: self.head.protocol,
            alpn: None,
            sni: None,
            authority: &self.head.authority,
            proxied: None,
            tlvs: None,
            priority: PRIORITY,
            client: None,
        };
        let all = self.deadline();
        let lease = match within(all, self.cluster.http(&host, &want)).await {
            Ok(Ok(lease)) => lease,
            Ok(Err(failure)) => {
                let overflow = failure.kind == ConnectFailureKind::Overflow;
                let reset = if overflow { Reset::Overflow } else { Reset::Connect };
                return Err(before(Why::Connect(failure), Some(reset), Some(host)));
            }
            Err(Expired) => return Err(self.expired(host, false)),
        };
        let mut open = Open {
            lease,
            cluster: self.cluster.clone(),
            host,
            ended: false,
            internal: self.internal,
            grpc: grpc::has_content_type(&self.head.headers),
            begun: self.begun,
        };
        let sent = self.send(&mut open);
        let each = self.body.is_some().then(|| self.per_try()).flatten();
        let each = each.and_then(|each| Instant::now().checked_add(each));
        let head = match (sent, &self.body) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => return Ok((open, None)),
            (Ok(()), Some(_)) => match within(earlier(all, each), poll_fn(|cx| open.poll_head(cx))).await {
                Ok(head) => head,
                Err(Expired) => {
                    let try_alone =
                        each.is_some_and(|each| each <= Instant::now()) && all.is_none_or(|all| all > Instant::now());
                    let host = open.host.clone();
                    host.count_timeout();
                    host.put(Outcome::TimedOut(504));
                    drop(open);
                    return Err(if try_alone { self.try_expired(host) } else { self.expired(host, true) });
                }
            },
        };
        match head {
            Ok(head) => {
                if head.body == BodyLength::Empty {
                    open.ended();
                }
                Ok((open, Some(head)))
            }
            Err(error) => {
                let host = Some(open.host.clone());
                let reset = match error {
                    // No fault of the host's, and no other one would be sent anything better.
                    StreamError::NoHeader(_) => {
                        return Err(Failed { why: Why::Ended(error, false), reset: None, sent: false, host });
                    }
                    StreamError::Refused => Reset::Refused,
                    _ => Reset::Ended,
                };
                open.failed();
                Err(Failed { why: Why::Ended(error, false), reset: Some(reset), sent: true, host })
            }
        }
    }

    fn send(&self, open: &mut Open) -> Result<(), StreamError> {
        match &self.body {
            Some(body) if body.is_empty() => open.stream().send_head(&self.head, true),
            Some(body) => {
                open.stream().send_head(&self.head, false)?;
                open.stream().send_data(body.clone(), true)
            }
            None => open.stream().send_head(&self.head, false),
        }
    }

    fn expired(&self, host: Host, sent: bool) -> Failed {
        self.cluster.stats().upstream_rq_timeout.inc();
        let why = Why::Timeout(self.timeout.unwrap_or_default(), false);
        Failed { why, reset: None, sent, host: Some(host) }
    }

    fn try_expired(&self, host: Host) -> Failed {
        self.cluster.stats().upstream_rq_per_try_timeout.inc();
        let why = Why::Timeout(self.per_try().unwrap_or_default(), false);
        Failed { why, reset: Some(Reset::Timeout), sent: true, host: Some(host) }
    }
}

/// What a response head says of its host: a gRPC status counts as the HTTP status that means the same.
pub(super) fn status_for_host(head: &ResponseHead) -> u16 {
    grpc::status_as_http(&head.headers).unwrap_or(head.status)
}

/// Time is up.
pub(super) struct Expired;

/// Waits, until then.
pub(super) async fn within<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Result<T, Expired> {
    match until {
        Some(until) => timeout_at(until, future).await.map_err(|_| Expired),
        None => Ok(future.await),
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
