//! The flags that a changed flag needs: those that it requires, and those that its rules have a condition on.

use std::collections::{HashMap, HashSet};

use flagstaff::{
    Definition, Snapshot,
    definition::{Prerequisite, RequiredState, Variants},
};

use super::effect::Effect;
use crate::{failure::Failure, text::clean};

/// Refuses a change that names a variant which another flag does not have, or after which a flag depends on itself.
/// The flag file refuses both. A store takes them, and services would serve the flag as off.
///
/// Ignores a fault from before the change: other settings of the flag can still be changed.
pub(super) fn refuse(snapshot: &Snapshot, effects: &[Effect]) -> Result<(), Failure> {
    let after: HashMap<_, _> =
        effects.iter().map(|effect| (&*effect.flag, effect.after.merged.as_ref())).collect();
    let definition = |flag: &str| match after.get(flag) {
        Some(changed) => *changed,
        None => snapshot.info(flag).map(|info| info.definition()),
    };
    for effect in effects {
        let needs = |side: Option<&'_ Definition>| -> Vec<Prerequisite> {
            side.map(Definition::needs).unwrap_or_default().into_iter().cloned().collect()
        };
        let before = needs(effect.before.merged.as_ref());
        let mut new = needs(effect.after.merged.as_ref());
        new.retain(|need| !before.contains(need));
        for need in &new {
            // A flag that no source has may be in one that is not here. A mistake is a warning in a file, too.
            let Some(needed) = definition(&need.flag) else { continue };
            refuse_variants(need, needed.rare().variants.value())?;
        }
        new.retain(|need| before.iter().all(|it| it.flag != need.flag));
        if let Some(cycle) = new.iter().find_map(|need| path(&need.flag, &effect.flag, &definition))
        {
            let flag = clean(&effect.flag);
            let cycle: Vec<_> = [&*effect.flag]
                .into_iter()
                .chain(cycle.iter().map(String::as_str))
                .map(|flag| format!("`{}`", clean(flag)))
                .collect();
            let cycle = cycle.join(" -> ");
            return Err(Failure::refused(format!("flag `{flag}` would depend on itself: {cycle}"))
                .hint("a flag that depends on itself is off for all users"));
        }
    }
    Ok(())
}

fn refuse_variants(need: &Prerequisite, variants: Option<&Variants>) -> Result<(), Failure> {
    let RequiredState::Variants(named) = &need.state else { return Ok(()) };
    let is_unknown = |name: &&String| variants.is_none_or(|it| it.variant(name).is_none());
    let Some(unknown) = named.iter().find(is_unknown) else { return Ok(()) };
    let flag = clean(&need.flag);
    let message = format!("flag `{flag}` has no variant `{}`", clean(unknown));
    let names = variants.into_iter().flat_map(Variants::names);
    let names: Vec<_> = names.map(|name| format!("`{}`", clean(name))).collect();
    Err(Failure::refused(message).hint(match names.is_empty() {
        true => format!("it has no variants: `\"{flag}\"` requires that it is on"),
        false => format!("its variants are {}", names.join(", ")),
    }))
}

/// Returns the flags on a way from one flag to another, both included, each of which needs the next.
fn path<'a>(
    from: &str,
    to: &str,
    definition: &impl Fn(&str) -> Option<&'a Definition>,
) -> Option<Vec<String>> {
    // Not by recursion: overrides make chains of thousands of flags.
    let (mut found, mut before) = (vec![from.to_owned()], HashMap::new());
    let mut begun = HashSet::from([from.to_owned()]);
    while let Some(flag) = found.pop() {
        if flag == to {
            let mut path = vec![flag];
            while let Some(previous) = path.last().and_then(|last| before.remove(last)) {
                path.push(previous);
            }
            path.reverse();
            return Some(path);
        }
        for need in definition(&flag).map(Definition::needs).unwrap_or_default() {
            if begun.insert(need.flag.clone()) {
                before.insert(need.flag.clone(), flag.clone());
                found.push(need.flag.clone());
            }
        }
    }
    None
}
