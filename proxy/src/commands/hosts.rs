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
        let changed = file::change(&asked.file, &text)?;
        say(format_args!("{}: {}", asked.file.display(), if changed { "written" } else { "holds the block already" }));
        return Ok(Ended::Yes);
    }
    if asked.check {
        let is_there = file::holds(&asked.file, &text)?;
        let words =
            if is_there { "holds the block" } else { "does not hold the block; 'outrigger hosts --write' writes it" };
        say(format_args!("{}: {words}", asked.file.display()));
        return Ok(if is_there { Ended::Yes } else { Ended::No });
    }
    say(text.trim_end());
    Ok(Ended::Yes)
}

#[cfg(test)]
mod tests;
