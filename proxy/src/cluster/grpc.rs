//! Statistics of gRPC requests: `cluster.<name>.grpc.*` and `grpc-web.*`, for all methods together or for one. Counted by the filters that
//! look at gRPC; one per worker and cluster. Must never let clients, who choose paths, or upstreams, who choose statuses, make names
//! without end.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use crate::stats::{Counter, Histogram, Scope};
use crate::wire::grpc::Method;

/// Methods that are counted by name, of a cluster on one worker. Others are counted without one.
const METHODS: usize = 1024;
/// Octets of a service and a method together.
const NAME: usize = 256;
/// Statuses that gRPC does not know, of a method; and octets of one.
const STATUSES: usize = 16;

/// How a request is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcNaming {
    /// `grpc.<service>.<method>.`.
    Grpc,
    /// The same, with `_` for each dot of the service.
    WithoutDots,
    /// `grpc-web.<service>.<method>.`.
    Web,
}

impl GrpcNaming {
    fn prefix(self, method: Option<&Method<'_>>) -> String {
        let mut prefix = String::from(if self == GrpcNaming::Web { "grpc-web." } else { "grpc." });
        if let Some(method) = method {
            let (service, name) = method.names();
            match self {
                GrpcNaming::WithoutDots => prefix.push_str(&service.replace('.', "_")),
                GrpcNaming::Grpc | GrpcNaming::Web => prefix.push_str(service),
            }
            // Writing to a string cannot fail.
            let _ = write!(prefix, ".{name}.");
        }
        prefix
    }
}

/// What was counted so far.
#[derive(Debug, Default)]
pub struct GrpcCounters {
    all: [OnceCell<Rc<GrpcMethod>>; 3],
    methods: RefCell<[HashMap<Box<str>, Rc<GrpcMethod>>; 3]>,
}

impl GrpcCounters {
    /// What counts a method; all together without one, and for one too many.
    pub fn of(&self, naming: GrpcNaming, method: Option<&Method<'_>>) -> Rc<GrpcMethod> {
        if let Some(method) = method.filter(|method| method.key().len() <= NAME) {
            let methods = &mut self.methods.borrow_mut()[naming as usize];
            if let Some(known) = methods.get(method.key()) {
                return known.clone();
            }
            if methods.len() < METHODS {
                let made = Rc::new(GrpcMethod::new(naming.prefix(Some(method))));
                methods.insert(method.key().into(), made.clone());
                return made;
            }
        }
        self.all[naming as usize].get_or_init(|| Rc::new(GrpcMethod::new(naming.prefix(None)))).clone()
    }
}

/// What counts one method. Each name is made when it is first counted: `scope` is the cluster's.
#[derive(Debug)]
pub struct GrpcMethod {
    prefix: Box<str>,
    made: [OnceCell<Counter>; NAMES.len()],
    time: OnceCell<Histogram>,
    unknown: RefCell<Vec<(Box<str>, Counter)>>,
}

/// The statuses that gRPC knows, and what else is counted.
const NAMES: [&str; 22] = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "11",
    "12",
    "13",
    "14",
    "15",
    "16",
    "success",
    "failure",
    "total",
    "request_message_count",
    "response_message_count",
];
const SUCCESS: usize = 17;
const FAILURE: usize = 18;
const TOTAL: usize = 19;
const REQUEST_MESSAGES: usize = 20;
const RESPONSE_MESSAGES: usize = 21;

impl GrpcMethod {
    fn new(prefix: String) -> GrpcMethod {
        GrpcMethod {
            prefix: prefix.into(),
            made: Default::default(),
            time: OnceCell::new(),
            unknown: RefCell::default(),
        }
    }

    /// A request ended with this `grpc-status`.
    pub fn status(&self, scope: &Scope, status: &[u8]) {
        match NAMES[..SUCCESS].iter().position(|known| known.as_bytes() == status) {
            Some(known) => self.counter(scope, known).inc(),
            None => self.unknown(scope, status),
        }
        self.ended(scope, status == b"0");
    }

    /// A request ended well or not.
    pub fn ended(&self, scope: &Scope, success: bool) {
        self.counter(scope, if success { SUCCESS } else { FAILURE }).inc();
        self.counter(scope, TOTAL).inc();
    }

    /// So many messages came from the client.
    pub fn requests(&self, scope: &Scope, count: u64) {
        self.counter(scope, REQUEST_MESSAGES).add(count);
    }

    /// So many messages came from upstream.
    pub fn responses(&self, scope: &Scope, count: u64) {
        self.counter(scope, RESPONSE_MESSAGES).add(count);
    }

    /// How long the upstream took, from the last octet of the request to the last of the response.
    pub fn time(&self, scope: &Scope, milliseconds: u64) {
        let made = || scope.histogram(&format!("{}upstream_rq_time", self.prefix));
        self.time.get_or_init(made).record(milliseconds);
    }

    fn counter(&self, scope: &Scope, name: usize) -> Counter {
        *self.made[name].get_or_init(|| scope.counter(&format!("{}{}", self.prefix, NAMES[name])))
    }

    fn unknown(&self, scope: &Scope, status: &[u8]) {
        let Some(text) = std::str::from_utf8(status).ok().filter(|text| text.len() <= STATUSES) else { return };
        let mut unknown = self.unknown.borrow_mut();
        if let Some((_, counter)) = unknown.iter().find(|(known, _)| **known == *text) {
            return counter.inc();
        }
        if unknown.len() < STATUSES {
            let counter = scope.counter(&format!("{}{text}", self.prefix));
            counter.inc();
            unknown.push((text.into(), counter));
        }
    }
}

#[cfg(test)]
mod tests;
