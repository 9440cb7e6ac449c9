//! Lines of statsd: `envoy.cluster.a.upstream_rq_total:3|c`. Over UDP a datagram for each, or as many as fit; over TCP a connection
//! that is made again when it breaks.
//!
//! Envoy tells each value of a histogram when it is recorded. Here buckets are told at the flush: one line for each that got something, its
//! middle as the value and how many there were as the rate (`|@0.1` stands for ten).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use config::bootstrap::Statsd;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::PATIENCE;
use super::readings::{Reading, Value};
use crate::cluster::Dialer;
use crate::outage::Outage;
use crate::stats::HistogramSample;

/// A sink.
pub struct Sink {
    config: Statsd,
    way: Way,
}

enum Way {
    Udp(UdpSocket),
    /// To the task that writes. What does not fit is lost.
    Tcp(mpsc::Sender<Bytes>),
}

/// Flushes that wait for a connection.
const WAITING: usize = 2;

impl Sink {
    /// Datagrams.
    ///
    /// # Errors
    /// There is no socket to be had.
    pub fn udp(config: &Statsd, address: SocketAddr) -> io::Result<Sink> {
        let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        Ok(Sink { config: config.clone(), way: Way::Udp(socket) })
    }

    /// A connection. Needs the current `LocalSet`.
    pub fn tcp(config: &Statsd, dialer: Dialer) -> Sink {
        let (flushes, waiting) = mpsc::channel(WAITING);
        tokio::task::spawn_local(write(dialer, waiting));
        Sink { config: config.clone(), way: Way::Tcp(flushes) }
    }

    /// Tells all of it.
    pub fn flush(&mut self, readings: &[Reading]) {
        let lines = readings.iter().flat_map(|reading| lines(&self.config, reading));
        match &self.way {
            Way::Udp(socket) => {
                for datagram in datagrams(lines, self.config.datagram) {
                    // Nobody listens, or there is no room: as with all of UDP.
                    let _lost = socket.send(datagram.as_bytes());
                }
            }
            Way::Tcp(flushes) => {
                let mut text = String::new();
                lines.for_each(|line| {
                    text.push_str(&line);
                    text.push('\n');
                });
                if flushes.try_send(text.into()).is_err() {
                    tracing::debug!(target: "main", "statistics are lost: the receiver of statsd does not take them");
                }
            }
        }
    }
}

/// Lines together, as long as they are no longer than that.
fn datagrams(lines: impl Iterator<Item = String>, most: usize) -> Vec<String> {
    let mut datagrams: Vec<String> = Vec::new();
    for line in lines {
        match datagrams.last_mut() {
            Some(last) if last.len() + 1 + line.len() <= most => {
                last.push('\n');
                last.push_str(&line);
            }
            _ => datagrams.push(line),
        }
    }
    datagrams
}

fn lines(config: &Statsd, reading: &Reading) -> Vec<String> {
    let (name, tags) = match config.tags {
        true => (&*reading.tagged.name, tags(&reading.tagged.tags)),
        false => (&*reading.name, String::new()),
    };
    let line = |value: String, kind: &str| format!("{}.{name}:{value}|{kind}{tags}", config.prefix);
    match &reading.value {
        Value::Counter(_, new) => vec![line(new.to_string(), "c")],
        Value::Gauge(value) => vec![line(value.to_string(), "g")],
        Value::Histogram(histogram) => {
            let rate = |count: u64| if count == 1 { String::new() } else { format!("|@{}", 1.0 / count as f64) };
            values(histogram).map(|(value, count)| line(value.to_string(), &format!("ms{}", rate(count)))).collect()
        }
    }
}

/// `|#tag:value,tag:value`.
fn tags(tags: &[(String, String)]) -> String {
    let list: Vec<String> = tags.iter().map(|(tag, value)| format!("{tag}:{value}")).collect();
    if list.is_empty() { String::new() } else { format!("|#{}", list.join(",")) }
}

/// The middle of each bucket that got something in the last interval, and how often.
fn values(histogram: &HistogramSample) -> impl Iterator<Item = (f64, u64)> {
    let middle = |index: usize| {
        let low = index.checked_sub(1).map_or(0.0, |before| histogram.bounds[before]);
        (low + histogram.bounds.get(index).copied().unwrap_or(low)) / 2.0
    };
    histogram
        .interval
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(move |(index, count)| (middle(index), *count))
}

/// Connects when there is something to be told, and stays connected.
async fn write(dialer: Dialer, mut waiting: mpsc::Receiver<Bytes>) {
    let mut connection = None;
    let (dialer, lost) = (Arc::new(dialer), Outage::default());
    while let Some(text) = waiting.recv().await {
        if connection.is_none() {
            let dialed = tokio::time::timeout(PATIENCE, dialer.connect()).await;
            let dialed = dialed.map_err(|late| late.to_string()).and_then(|one| one.map_err(|why| why.to_string()));
            let told = dialed.inspect_err(|why| {
                if lost.failed() {
                    tracing::warn!(target: "main", "statistics are lost: cluster '{}' (statsd): {why}", dialer.config().name);
                }
            });
            connection = told.ok();
        }
        let Some(stream) = &mut connection else { continue };
        let written = tokio::time::timeout(PATIENCE, async {
            stream.write_all(&text).await?;
            stream.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            connection = None;
        }
    }
}

#[cfg(test)]
mod tests;
