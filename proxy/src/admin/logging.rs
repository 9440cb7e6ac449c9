//! `/logging`: levels of the process's own log.

use axum::http::StatusCode;
use axum::response::Response;

use super::parameters::shown;
use super::query::Query;
use super::{Admin, reply};
use crate::cli::LogLevel;
use crate::telemetry::process_log::{LOGGERS, ProcessLog, level_name, parse_level};

const USAGE: &str = "\
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<name>:<level> (change one of them)
levels: trace debug info warning error critical off \n";

/// Changes what the query asks for, all of it or nothing, and lists every logger.
pub fn change(admin: &Admin, query: &Query) -> Response {
    match apply(&admin.log, query) {
        Ok(()) => reply::text(list(&admin.log)),
        Err(reason) => {
            let text = format!("error: {reason}\n\n{USAGE}{}", list(&admin.log));
            reply::failure(StatusCode::BAD_REQUEST, text)
        }
    }
}

fn apply(log: &ProcessLog, query: &Query) -> Result<(), String> {
    let mut pairs = query.pairs();
    let (name, value) = match (pairs.next(), pairs.next()) {
        (None, _) => return Ok(()),
        (Some(pair), None) => pair,
        _ => return Err("invalid number of parameters; give one".to_owned()),
    };
    match name {
        "level" if value.is_empty() => Ok(()),
        "level" => {
            log.set_all(level(value)?);
            Ok(())
        }
        "paths" | "group" => {
            let parts = value.split(',').filter(|part| !part.is_empty());
            let levels: Result<Vec<_>, _> = parts.map(one).collect();
            log.set(&levels?);
            Ok(())
        }
        name => {
            log.set(&[(logger(name)?, level(value)?)]);
            Ok(())
        }
    }
}

fn one(part: &str) -> Result<(usize, LogLevel), String> {
    let (name, value) = part.split_once(':').ok_or_else(|| format!("'{}' is not name:level", shown(part)))?;
    Ok((logger(name)?, level(value)?))
}

fn logger(name: &str) -> Result<usize, String> {
    let known = LOGGERS.iter().position(|logger| *logger == name);
    known.ok_or_else(|| format!("unknown logger name '{}'; the active loggers are listed below", shown(name)))
}

fn level(name: &str) -> Result<LogLevel, String> {
    let known = parse_level(name).filter(|level| level_name(*level) == name);
    known.ok_or_else(|| format!("unknown logger level '{}'", shown(name)))
}

fn list(log: &ProcessLog) -> String {
    let mut text = String::from("active loggers:\n");
    for (name, level) in log.levels() {
        text.push_str(&format!("  {name}: {}\n", level_name(level)));
    }
    text.push('\n');
    text
}
