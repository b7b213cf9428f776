//! What somebody at a terminal is asked before it is done.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{Act, ChangeArgs, Effect, is_switched_off};
use crate::{
    failure::Failure,
    style::{HEADER, painted},
    text::{clean, count},
};

/// Asks the person at the terminal before something that is hard to take back, or does more than it
/// says. Scripts are not asked.
pub(super) fn confirm(
    act: &impl Act,
    effects: &[Effect],
    args: &ChangeArgs,
) -> Result<(), Failure> {
    for question in questions(act, effects) {
        ask(&question, args.yes)?;
    }
    Ok(())
}

fn questions(act: &impl Act, effects: &[Effect]) -> Vec<String> {
    let names = |of: fn(&Effect) -> bool| -> Vec<_> {
        let found = effects.iter().filter(|effect| of(effect));
        found.map(|effect| format!("`{}`", clean(&effect.flag))).collect()
    };
    let mut questions: Vec<_> = act.question(effects.len()).into_iter().collect();
    match names(is_switched_off).len() {
        _ if !questions.is_empty() => {}
        0 => {}
        1 => questions.push("switch it off for everybody?".to_owned()),
        several => questions.push(format!("switch {} off for everybody?", count(several, "flag"))),
    }
    let on = names(Effect::is_wider);
    if act.asks_before_more() && !on.is_empty() {
        questions.push(format!("let {} be on for more than now?", on.join(", ")));
    }
    let later = names(|effect| effect.widens_at_its_end().is_some());
    if !later.is_empty() {
        questions.push(format!("let {} be on for more than now at its end?", later.join(", ")));
    }
    questions
}

/// Asks, if somebody is there to answer.
pub(crate) fn ask(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    anstream::eprint!("{} [y/N] ", painted(HEADER, question));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was changed").hint("`--yes` does not ask")),
    }
}
