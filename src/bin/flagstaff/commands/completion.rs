use clap::{Args, ValueEnum};
use flagstaff::cli::ExitCode;

use crate::{failure::Failure, session::Session, shell::SHELLS};

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bash  echo 'source <(flagstaff completion bash)' >> ~/.bashrc
  zsh   echo 'source <(flagstaff completion zsh)' >> ~/.zshrc  # below compinit
  fish  flagstaff completion fish > ~/.config/fish/completions/flagstaff.fish")]
pub(crate) struct Completion {
    /// Shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Completion {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let shell = match self.shell {
            Shell::Bash => "bash",
            Shell::Elvish => "elvish",
            Shell::Fish => "fish",
            Shell::Powershell => "powershell",
            Shell::Zsh => "zsh",
        };
        let mut script = Vec::new();
        if let Some(shell) = SHELLS.completer(shell) {
            let name = "flagstaff";
            shell.write_registration("COMPLETE", name, name, name, &mut script)?;
        }
        session.output.write(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::Done)
    }
}
