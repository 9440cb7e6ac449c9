//! `curl` on a host of the lab, its answer taken apart. The tests use the real program because operators do.

use super::Result;
use super::net::Host;

/// What one `curl` brought back.
#[derive(Debug, Default)]
pub struct Reply {
    /// The status code of the final response; 0 when none came.
    pub status: u16,
    /// The status line as sent, for example `HTTP/1.1 200 OK`.
    pub status_line: String,
    /// Headers in the order and with the spelling that they came in.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// curl's own exit code: 0 a response came, 7 refused, 35 TLS, 52 empty reply, 56 reset.
    pub exit: i32,
    /// What curl said about a failure.
    pub complaint: String,
}

impl Reply {
    /// The value of the only header of this name; an error if it is missing or comes twice.
    pub fn header(&self, name: &str) -> Result<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("no header {name} in {:?}", self.headers).into()),
            _ => Err(format!("header {name} comes more than once in {:?}", self.headers).into()),
        }
    }

    /// The names of all headers, in order.
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// An error unless the response has this status.
    pub fn expect_status(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("expected status {status}, got {self:?}").into())
    }
}

/// Runs `curl -i` with `arguments` on `host`, for at most 10 s. A failed transfer is a [`Reply`] with its exit code.
pub fn curl(host: &Host, arguments: &[&str]) -> Result<Reply> {
    curl_with_environment(host, &[], arguments)
}

/// As [`curl`], with variables such as `http_proxy`.
pub fn curl_with_environment(host: &Host, environment: &[(&str, &str)], arguments: &[&str]) -> Result<Reply> {
    let mut command = host.command("curl");
    command.envs(environment.iter().copied());
    command.args(["-sSi", "--suppress-connect-headers", "--max-time", "10"]).args(arguments);
    let output = command.output()?;
    let mut reply = parse(&output.stdout);
    reply.exit = output.status.code().unwrap_or(-1);
    reply.complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(reply)
}

/// Takes the last response head (interim ones come before it) and the body after it.
fn parse(output: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(output);
    let mut rest: &str = &text;
    let mut reply = Reply::default();
    while rest.starts_with("HTTP/") {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        reply = parse_head(head);
        rest = body;
        if !(100..200).contains(&reply.status) {
            break;
        }
    }
    reply.body = rest.to_owned();
    reply
}

fn parse_head(head: &str) -> Reply {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default().trim_end().to_owned();
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Reply { status, status_line, headers, ..Reply::default() }
}

#[cfg(test)]
mod tests;
