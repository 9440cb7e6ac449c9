//! How the real Envoy and Outrigger spread requests over endpoints, from one bootstrap: how many of each case went where, and what was counted.
//!
//! Called by the `balance_parity` tests. A scenario is a file of `integration/parity/balance`; [`scenario`] is its format, [`hosts`] are its
//! endpoints, [`shares`] compares what came of it with what is recorded. Must never depend on time.

pub mod hosts;
pub mod scenario;
pub mod shares;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use self::hosts::Hosts;
use self::scenario::{Case, Scenario};
use crate::embedded::ports;
pub use crate::parity::started::Failure;
use crate::parity::started::{self, Started};

/// So many requests are sent before their answers are read.
const PIPELINED: u64 = 50;
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Plays a scenario with one program: a part for each case, and one of statistics.
///
/// # Errors
/// What could not be done.
pub fn play(program: &Path, scenario: &Scenario) -> Result<String, Failure> {
    let hosts = Hosts::start()?;
    let [listener, admin] = [(); 2].map(|()| ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let bootstrap = scenario.bootstrap(listener, admin, hosts.port);
    let _proxy = Started::working(program, tempfile::tempdir()?, &bootstrap, admin)?;
    let mut text = String::new();
    for case in &scenario.cases {
        text += &format!("# {}\n", case.name);
        for (to, count) in ask(listener, case, scenario)? {
            text += &format!("{to}: {count}\n");
        }
        text += "\n";
    }
    let page = started::page(admin, "/stats?usedonly")?;
    let counted = |line: &&str| {
        line.starts_with("cluster.app.") && scenario.statistics.iter().any(|name| line.contains(&format!(".{name}: ")))
    };
    let mut counted: Vec<&str> = page.lines().filter(counted).filter(|line| !line.ends_with(": 0")).collect();
    counted.sort_unstable();
    Ok(text + &counted.join("\n") + "\n")
}

/// Sends the requests of a case over one connection, or a further one where the proxy closes it. Counts them by the name of the endpoint that
/// answered, or by the proxy's own status.
fn ask(proxy: SocketAddr, case: &Case, scenario: &Scenario) -> Result<BTreeMap<String, u64>, Failure> {
    let headers: String = case.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {} HTTP/1.1\r\nhost: app\r\n{headers}\r\n", case.path);
    let mut counts = BTreeMap::new();
    let (mut number, mut pipelined) = (0, PIPELINED);
    while number < case.count {
        let before = number;
        let mut stream = TcpStream::connect(proxy)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        'connection: while number < case.count {
            // Pipelined: they are answered one after the other all the same.
            let until = case.count.min(number + pipelined);
            let requests: String = (number..until).map(|number| request.replace("{n}", &number.to_string())).collect();
            if stream.write_all(requests.as_bytes()).is_err() {
                break;
            }
            while number < until {
                let Some(who) = answer(&mut answers, scenario)? else { break 'connection };
                *counts.entry(who).or_default() += 1;
                number += 1;
            }
        }
        if number == before {
            return Err("the proxy closes connections without an answer".into());
        }
        // Envoy closes where it answers itself while more requests wait.
        pipelined = 1;
    }
    Ok(counts)
}

/// Who has answered; `None` where the connection ends.
fn answer(answers: &mut impl BufRead, scenario: &Scenario) -> Result<Option<String>, Failure> {
    let (mut who, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        match answers.read_line(&mut line) {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            other => other?,
        };
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(status) = line.strip_prefix("http/1.1 ") {
            who = status.chars().take(3).collect();
        } else if let Some(number) = line.strip_prefix("x-host: ") {
            who = scenario.name_of(number.parse()?).to_owned();
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse()?;
        } else if line.is_empty() {
            let mut body = vec![0; length];
            answers.read_exact(&mut body)?;
            return Ok(Some(who));
        }
    }
}
