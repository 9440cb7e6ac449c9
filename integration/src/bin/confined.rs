//! Starts a program under a seccomp profile in the form that container runtimes read: `outrigger-confined PROFILE PROGRAM [ARGUMENT…]`.
//! Called by the test of `deploy/seccomp.json`. It must never start the program without the filter.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use seccompiler::{BpfMap, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let reason = confine().err().unwrap_or_else(|| "the program did not start".to_owned());
    let _nobody_reads = writeln!(std::io::stderr(), "outrigger-confined: {reason}");
    ExitCode::from(125)
}

fn confine() -> Result<(), String> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(profile), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: outrigger-confined PROFILE PROGRAM [ARGUMENT…]".to_owned());
    };
    let text = std::fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;
    let filters = filters(&text)?;
    let filter = filters.get("all").ok_or("no filter")?;
    apply_filter(filter).map_err(|error| format!("the filter is not taken: {error}"))?;
    Err(Command::new(program).args(arguments).exec().to_string())
}

/// What is listed is allowed, and all else is an error.
fn filters(profile: &str) -> Result<BpfMap, String> {
    let profile: Value = serde_json::from_str(profile).map_err(|error| format!("the profile is no JSON: {error}"))?;
    if profile["defaultAction"] != "SCMP_ACT_ERRNO" {
        return Err("defaultAction must be SCMP_ACT_ERRNO".to_owned());
    }
    let errno = profile["defaultErrnoRet"].as_u64().unwrap_or(1);
    let mut calls = Vec::new();
    for rule in profile["syscalls"].as_array().into_iter().flatten() {
        if rule["action"] != "SCMP_ACT_ALLOW" || rule.get("args").is_some() {
            return Err("only plain rules of SCMP_ACT_ALLOW are understood".to_owned());
        }
        let names = rule["names"].as_array().into_iter().flatten();
        calls.extend(names.map(|name| json!({"syscall": name})));
    }
    let own = json!({"all": {"mismatch_action": {"errno": errno}, "match_action": "allow", "filter": calls}});
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    compile_from_json(own.to_string().as_bytes(), arch).map_err(|error| error.to_string())
}
