//! A call of a gRPC service that asks one message and is answered by one.

use std::future::poll_fn;

use super::attempt::within;
use super::failure::{CallFailure, Why};
use super::incoming::Incoming;
use super::request::GrpcCall;
use super::{Calls, GrpcReply};

pub(super) async fn run(calls: Calls, call: GrpcCall) -> Result<GrpcReply, CallFailure> {
    let target = call.target.clone();
    let cluster = calls.cluster(target.cluster())?;
    calls.0.rq_total.inc();
    let failure = |why| CallFailure::new(target.cluster(), why);
    let mut outgoing = call.outgoing(&calls, cluster);
    let (mut open, head) = outgoing.answer().await?;
    let mut incoming = Incoming::begin(head, target.longest, &mut open).map_err(failure)?;
    let mut last = None;
    loop {
        match within(outgoing.deadline(), poll_fn(|cx| incoming.poll(&mut open, cx))).await {
            // Of several messages Envoy's client takes the last one.
            Ok(Ok(Some(message))) => last = Some(message),
            Ok(Ok(None)) => break,
            Ok(Err(why)) => return Err(failure(why)),
            Err(_) => {
                open.timed_out();
                return Err(failure(Why::Timeout(outgoing.timeout.unwrap_or_default(), true)));
            }
        }
    }
    let wire = open.stream().on_wire();
    open.ended();
    let message = last.ok_or_else(|| failure(Why::NoMessage))?;
    Ok(GrpcReply { message, metadata: incoming.metadata, trailers: incoming.trailers.unwrap_or_default(), wire })
}
