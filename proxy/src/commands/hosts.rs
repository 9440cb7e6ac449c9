//! `outrigger hosts`: the lines of `/etc/hosts` by which applications reach the proxy under the names of the mesh.

mod block;
mod file;

use super::client::Client;
use super::dump::Dump;
use super::{Cannot, Ended};
use crate::cli::commands::Hosts;
use crate::cli::{complain, say};

/// Does what is asked.
pub fn hosts(asked: &Hosts) -> Result<Ended, Cannot> {
    if asked.remove {
        let changed = file::change(&asked.file, "")?;
        say(format_args!(
            "{}: {}",
            asked.file.display(),
            if changed { "the block is taken out" } else { "there is none" }
        ));
        return Ok(Ended::Yes);
    }
    let dump = Dump::of(&Client::new(&asked.admin.admin))?;
    let block::Block { text, conflicts } = block::of(&dump);
    for conflict in &conflicts {
        complain(format_args!("warning: {conflict}"));
    }
    if text.is_empty() {
        complain(
            "warning: the configuration implies no names: there are outbound listeners (traffic_direction: OUTBOUND) on no address of this host that is not everybody's, or their routes name no hosts",
        );
    }
    if asked.write {
        let words = match (file::change(&asked.file, &text)?, text.is_empty()) {
            (true, true) => "the block is taken out, for there is none to write",
            (false, true) => "there is no block to write",
            (true, false) => "written",
            (false, false) => "holds the block already",
        };
        say(format_args!("{}: {words}", asked.file.display()));
        return Ok(Ended::Yes);
    }
    if asked.check {
        let is_there = file::holds(&asked.file, &text)?;
        let words = match (is_there, text.is_empty()) {
            (true, true) => "holds no block, and there is none that it could hold",
            (false, true) => "holds a block of names that are served no more; 'outrigger hosts --write' takes it out",
            (true, false) => "holds the block",
            (false, false) => "does not hold the block; 'outrigger hosts --write' writes it",
        };
        say(format_args!("{}: {words}", asked.file.display()));
        // Whoever asks wants names that lead here.
        return Ok(if is_there && !text.is_empty() { Ended::Yes } else { Ended::No });
    }
    say(text.trim_end());
    Ok(Ended::Yes)
}

#[cfg(test)]
mod tests;
