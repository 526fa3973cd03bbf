//! `liaison completions` and `liaison man`: made from the commands themselves, so they are never out of date.

use std::{io::stdout, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Command;

#[derive(clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

#[derive(clap::Args)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this directory [default: the main page to standard output]
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(crate) fn completions(mut command: Command, args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "liaison", &mut script);
    print(&script)
}

pub(crate) fn man(command: Command, args: &ManArgs) -> Result<ExitCode> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).context("make the manual page")?;
        return Ok(print(&page));
    };
    std::fs::create_dir_all(dir).with_context(|| format!("make the directory {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("write manual pages into {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A reader that went away is no failure of ours.
fn print(bytes: &[u8]) -> ExitCode {
    let _ = std::io::Write::write_all(&mut stdout(), bytes);
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::super::command;

    #[test]
    fn the_commands_fit_together() {
        command().debug_assert();
    }
}
