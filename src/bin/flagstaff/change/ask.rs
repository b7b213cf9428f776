//! Questions to a user at a terminal, before a change is made.

use super::{effect::Effect, reach::Other};
use crate::text::{clean, count};

/// Returns the questions for the person at the terminal before a flag lets more users in, or is off for all of them.
///
/// The questions are about the changed flags and the flags that need one of them. Scripts are not asked.
pub(super) fn questions(
    first: Option<String>,
    effects: &[&Effect],
    others: &[Other],
) -> Vec<String> {
    let names = |of: fn(&Effect) -> bool| -> Vec<_> {
        let found = effects.iter().filter(|effect| of(effect));
        let mut names: Vec<String> = Vec::new();
        // A flag has an effect in each environment.
        for name in found.map(|effect| format!("`{}`", clean(&effect.flag))) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let mut questions: Vec<_> = first.into_iter().collect();
    match names(Effect::is_switched_off).len() {
        _ if !questions.is_empty() => {}
        0 => {}
        1 => questions.push("switch it off for all users?".to_owned()),
        several => questions.push(format!("switch {} off for all users?", count(several, "flag"))),
    }
    let of_others = |of: fn(&Other) -> bool| -> Vec<_> {
        let found = others.iter().filter(|other| of(other));
        found.map(|other| format!("`{}`", clean(&other.flag))).collect()
    };
    let off = of_others(Other::is_switched_off);
    if !off.is_empty() {
        questions.push(format!("let {} be off for all users, too?", off.join(", ")));
    }
    let on: Vec<_> =
        names(Effect::is_wider).into_iter().chain(of_others(Other::is_wider)).collect();
    if !on.is_empty() {
        questions.push(format!("let {} be on for more users than now?", on.join(", ")));
    }
    let later = names(|effect| effect.widens_at_its_end().is_some());
    if !later.is_empty() {
        questions
            .push(format!("let {} be on for more users than now at its end?", later.join(", ")));
    }
    questions
}
