//! Hedging (`hedge_policy`): attempts beside one that is late. The first good answer wins, and the others are ended. Entered by the loop
//! in [`super`] once an attempt is late; the request has been read to its end by then, so each attempt reads what was kept of it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep};

use super::again;
use super::connect::connect_failed;
use super::ends::Ends;
use super::failure::Failure;
use super::filters;
use super::log;
use super::one::Attempt;
use super::outliers;
use crate::cluster::ConnectFailure;
use crate::cluster::retry::BackOff;
use crate::failure::ResponseFlags;
use crate::http::deadlines::Expired;
use crate::http::exchange::Exchange;
use crate::http::retry::{Decision, Retry};
use crate::http::route::Forwarding;
use crate::http::stop::Stop;
use crate::http::upgrade;
use crate::http::upload::Upload;
use crate::http::upstreams::{Lease, Target};
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::message::ResponseHead;

/// Attempts side by side.
pub(super) struct Race<'a> {
    forwarding: &'a Forwarding,
    attempt: &'a Attempt<'a>,
    ends: &'a Ends<'a>,
    retry: Retry<'a>,
    /// All of the request's body.
    body: Upload,
    contenders: Vec<Contender<'a>>,
}

/// The attempt whose answer it is.
pub(super) struct Won {
    pub lease: Lease,
    pub head: ResponseHead,
    pub target: Target,
    pub upload: Upload,
    /// It is a retry, and none that was overtaken itself: as Envoy counts it, such a one is no retry's success.
    pub succeeded: bool,
}

/// How it ended, once it has. Few requests come here, so that a box is no matter.
type End = Option<Result<Box<Won>, Stop>>;

enum Contender<'a> {
    /// Waits until its time has come. The flag tells that a timeout led to it.
    Waiting(Pin<Box<Sleep>>, BackOff, bool),
    /// Waits for a stream to that host.
    Opening(Target, Opening<'a>, bool),
    /// Has one.
    Open(Box<Open>),
}

type Opening<'a> = Pin<Box<dyn Future<Output = Result<Lease, ConnectFailure>> + 'a>>;

struct Open {
    lease: Lease,
    target: Target,
    upload: Upload,
    /// Its head came, and filters behind the router look at it.
    answering: bool,
    /// Another one has been begun in its place: it is never tried again.
    overtaken: bool,
    late: Option<Pin<Box<Sleep>>>,
    /// Its time was up once: outlier detection knows.
    told_late: bool,
}

/// What happened to one of them.
enum Event {
    Due,
    Opened(Result<Lease, ConnectFailure>),
    Late,
    Answered(ResponseHead),
    Failed(StreamError),
}

impl<'a> Race<'a> {
    /// With the one that is late.
    pub fn new(
        forwarding: &'a Forwarding,
        attempt: &'a Attempt<'a>,
        ends: &'a Ends<'a>,
        retry: Retry<'a>,
        (lease, target, upload): (Lease, Target, Upload),
    ) -> Race<'a> {
        let body = upload.once_more();
        let first = Open { lease, target, upload, answering: false, overtaken: false, late: None, told_late: true };
        let contenders = vec![Contender::Open(Box::new(first))];
        Race { forwarding, attempt, ends, retry, body, contenders }
    }

    /// Until one has a good answer, or none is left.
    pub async fn run<'s: 'a>(
        mut self,
        exchange: &mut Exchange<'s>,
        downstream: &mut dyn Downstream,
    ) -> Result<Box<Won>, Stop> {
        self.is_late(exchange, 0);
        loop {
            let (index, event) = match poll_fn(|cx| self.poll(cx, exchange, downstream)).await {
                Ok(event) => event,
                Err(stop) => return Err(self.stopped(exchange, stop)),
            };
            let end = match event {
                Event::Due => self.due(exchange, index),
                Event::Opened(result) => self.opened(exchange, index, result),
                Event::Late => {
                    self.is_late(exchange, index);
                    None
                }
                Event::Answered(head) => self.answered(exchange, index, head),
                Event::Failed(error) => match self.contenders.remove(index) {
                    Contender::Open(open) => {
                        let Open { target, overtaken, .. } = *open;
                        outliers::failed(&target);
                        self.failed(exchange, Failure::Stream(error), Some(target), (true, overtaken))
                    }
                    Contender::Waiting(..) | Contender::Opening(..) => None,
                },
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
    ) -> Poll<Result<(usize, Event), Stop>> {
        let ends = self.ends;
        for (index, contender) in self.contenders.iter_mut().enumerate() {
            let event = match contender {
                Contender::Waiting(wait, ..) => wait.as_mut().poll(cx).map(|()| Event::Due),
                Contender::Opening(_, opening, _) => opening.as_mut().poll(cx).map(Event::Opened),
                Contender::Open(open) => match open.poll(cx, exchange, downstream, ends) {
                    Ok(event) => event,
                    Err(stop) => return Poll::Ready(Err(stop)),
                },
            };
            if let Poll::Ready(event) = event {
                return Poll::Ready(Ok((index, event)));
            }
        }
        exchange.poll_over(downstream, cx)
    }

    /// Its try's time is up: another one is begun beside it, if the policy has one left.
    fn is_late(&mut self, exchange: &mut Exchange<'_>, index: usize) {
        let Some(Contender::Open(open)) = self.contenders.get_mut(index) else { return };
        open.late = None;
        if !std::mem::replace(&mut open.told_late, true) {
            outliers::late(&open.target);
        }
        if open.overtaken {
            return;
        }
        match self.retry.on_late(self.attempt.cluster, self.attempt.priority) {
            Decision::After(wait) => {
                open.overtaken = true;
                open.target.attempted(&mut self.retry);
                self.contenders.push(Contender::Waiting(Box::pin(sleep(wait.time)), wait, true));
            }
            Decision::PassOn(flags) => self.gives_up(exchange, flags),
        }
    }

    fn gives_up(&self, exchange: &mut Exchange<'_>, flags: ResponseFlags) {
        exchange.stream.info.flags.set(flags);
        self.ends.gives_up(flags);
    }

    /// One is over, and another one begins in its place.
    fn begin_another(&mut self, instead_of: Option<&Target>, status: Option<u16>, wait: BackOff) {
        if let Some(target) = instead_of {
            target.attempted(&mut self.retry);
        }
        self.ends.retries(instead_of, status);
        self.contenders.push(Contender::Waiting(Box::pin(sleep(wait.time)), wait, false));
    }

    /// Picks a host, and asks for a stream to it.
    fn due<'s: 'a>(&mut self, exchange: &mut Exchange<'s>, index: usize) -> End {
        if let Some(Contender::Waiting(_, wait, _)) = self.contenders.get(index) {
            self.ends.retried(*wait);
        }
        let (attempt, stream) = (self.attempt, &exchange.stream);
        let target = match attempt.pick(stream, stream.info.attempts + 1, Some(&self.retry)) {
            Ok(target) => target,
            Err(failure) => {
                self.contenders.remove(index);
                return self.failed(exchange, failure, None, (false, false));
            }
        };
        let (asks, host) = (attempt.asks(stream), target.clone());
        let opening = Box::pin(async move { attempt.cluster.http(&host, &attempt.want(&asks, &host)).await });
        if let Some(contender) = self.contenders.get_mut(index) {
            let late = matches!(contender, Contender::Waiting(_, _, true));
            *contender = Contender::Opening(target, opening, late);
        }
        None
    }

    fn opened(&mut self, exchange: &mut Exchange<'_>, index: usize, result: Result<Lease, ConnectFailure>) -> End {
        let Contender::Opening(target, _, late) = self.contenders.remove(index) else { return None };
        let mut lease = match result {
            Ok(lease) => lease,
            Err(failure) => {
                connect_failed(&mut exchange.stream, &failure, &target);
                return self.failed(exchange, Failure::Connect(failure), Some(target), (false, false));
            }
        };
        again(exchange, self.forwarding, late);
        exchange.stream.info.attempts += 1;
        log::begins(exchange);
        self.attempt.rewrite_host(exchange, &target);
        self.attempt.goes_to(&mut exchange.stream, &target);
        let mut upload = self.body.once_more();
        if let Err(error) = self.attempt.begin(exchange, &mut lease, &mut upload) {
            outliers::unsent(&target, &error);
            return self.failed(exchange, Failure::Stream(error), Some(target), (false, false));
        }
        let timer = exchange.watch.timeouts.per_try.map(|time| Box::pin(sleep(time)));
        let open = Open { lease, target, upload, answering: false, overtaken: false, late: timer, told_late: false };
        self.contenders.push(Contender::Open(Box::new(open)));
        None
    }

    fn answered(&mut self, exchange: &mut Exchange<'_>, index: usize, head: ResponseHead) -> End {
        let Contender::Open(open) = self.contenders.remove(index) else { return None };
        let Open { mut lease, target, upload, overtaken, .. } = *open;
        outliers::answered(&target, &exchange.stream.request, &head);
        let cluster = self.attempt.cluster;
        let bad = if overtaken {
            self.retry.wants_response(&head)
        } else {
            match self.retry.on_response(&head, cluster, self.attempt.priority) {
                Decision::After(wait) => {
                    self.begin_another(Some(&target), Some(head.status), wait);
                    return None;
                }
                Decision::PassOn(flags) => {
                    self.gives_up(exchange, flags);
                    flags != ResponseFlags::NONE
                }
            }
        };
        if bad && !self.contenders.is_empty() {
            target.count(true);
            lease.stream().reset(ResetReason::Cancel);
            return None;
        }
        self.end_others();
        self.attempt.goes_to(&mut exchange.stream, &target);
        lease.tell(&mut exchange.stream.info);
        let succeeded = self.retry.succeeded && !overtaken;
        Some(Ok(Box::new(Won { lease, head, target, upload, succeeded })))
    }

    /// `sent`: octets went out; `overtaken`: another one has been begun in its place.
    fn failed(
        &mut self,
        exchange: &mut Exchange<'_>,
        failure: Failure,
        target: Option<Target>,
        (sent, overtaken): (bool, bool),
    ) -> End {
        let reset = failure.reset().filter(|_| !overtaken);
        let cluster = self.attempt.cluster;
        match reset.map(|reset| self.retry.on_reset(reset, sent, cluster, self.attempt.priority)) {
            Some(Decision::After(wait)) => {
                self.begin_another(target.as_ref(), None, wait);
                return None;
            }
            Some(Decision::PassOn(flags)) => self.gives_up(exchange, flags),
            None => {}
        }
        if !self.contenders.is_empty() {
            self.ends.lost(target.as_ref());
            return None;
        }
        let stop = failure.into_stop(&exchange.stream, self.retry.retried);
        self.ends.failed(target.as_ref(), &stop);
        Some(Err(stop))
    }

    /// From outside: time was up for the whole request, or the client went.
    fn stopped(&mut self, exchange: &Exchange<'_>, stop: Stop) -> Stop {
        if exchange.timed_out == Some(Expired::Response) {
            for contender in &self.contenders {
                if let Contender::Open(open) = contender {
                    open.target.count_timeout();
                    open.target.count(true);
                    if !open.told_late {
                        outliers::timed_out(&open.target, &stop);
                    }
                }
            }
        }
        for contender in &self.contenders {
            match contender {
                Contender::Open(open) => self.ends.stopped(exchange.timed_out, Some(&open.target), &stop),
                Contender::Opening(..) => self.ends.stopped(exchange.timed_out, None, &stop),
                // A wait between two is no attempt.
                Contender::Waiting(..) => {}
            }
        }
        self.end_others();
        stop
    }

    fn end_others(&mut self) {
        for contender in self.contenders.drain(..) {
            if let Contender::Open(mut open) = contender {
                open.lease.stream().reset(ResetReason::Cancel);
            }
        }
    }
}

impl Open {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
        downstream: &mut dyn Downstream,
        ends: &Ends<'_>,
    ) -> Result<Poll<Event>, Stop> {
        self.upload.poll(cx, downstream, self.lease.stream(), exchange)?;
        while !self.answering && !self.upload.is_held() {
            match self.lease.stream().poll_head(cx) {
                // One of several is not heard before it has won.
                Poll::Ready(Ok(head)) if head.status < 200 && head.status != 101 => {
                    ends.heard(&self.target, &head, None)
                }
                Poll::Ready(Ok(mut head)) => {
                    upgrade::mark_answer(&exchange.stream.request, &mut head);
                    if self.upload.behind().is_none() {
                        return Ok(Poll::Ready(Event::Answered(head)));
                    }
                    filters::answered(&mut exchange.stream, &self.upload, head);
                    self.answering = true;
                }
                Poll::Ready(Err(error)) => return Ok(Poll::Ready(Event::Failed(error))),
                Poll::Pending => break,
            }
        }
        if self.answering
            && let Poll::Ready(head) = filters::poll_response(cx, &mut exchange.stream, &mut self.lease, &self.upload)
        {
            return Ok(Poll::Ready(Event::Answered(head?)));
        }
        let late = self.late.as_mut().map_or(Poll::Pending, |late| late.as_mut().poll(cx));
        Ok(late.map(|()| Event::Late))
    }
}

#[cfg(test)]
mod tests;
