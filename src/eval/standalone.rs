//! One flag of a single source, compiled with all that it requires.

use std::time::SystemTime;

use super::{
    evaluation::Evaluation,
    plan::Plan,
    requirements::{Requirements, Step},
};
use crate::model::{
    Context, MOST_PREREQUISITES, Names, Prerequisite, Resolved, SharedDefinition, Slot, hash_name,
    variant_name,
};

/// A flag at one instant, as the definitions of one source have it: without a stack, and without a
/// snapshot of all flags.
#[derive(Debug)]
pub(crate) struct Standalone {
    plan: Plan,
    /// What the flag requires, by slot. The first slot is that of the flag itself.
    others: Vec<Plan>,
}

impl Standalone {
    /// Compiles `definition`, the one of `key`. `find` has the definitions of other flags.
    pub(crate) fn compile<'d>(
        key: &str,
        definition: &'d SharedDefinition,
        time: SystemTime,
        find: impl Fn(&str) -> Option<&'d SharedDefinition>,
    ) -> Self {
        let mut names = Names::default();
        let mut found = vec![Some(definition)];
        names.intern(&key.into());
        let mut next = 0;
        // With more than these, the flag is off whatever they are.
        while next < found.len() && found.len() <= MOST_PREREQUISITES + 1 {
            for prerequisite in requires(found[next]) {
                let slot = names.intern(&prerequisite.flag.as_str().into());
                if slot as usize == found.len() {
                    found.push(find(&prerequisite.flag));
                }
            }
            next += 1;
        }
        let step = |flag: &str, variant: Option<&str>| {
            let slot = names.find(hash_name(flag), flag)?;
            Some(Step { slot, variant: variant.map(variant_name) })
        };
        let requirements = Requirements::of(0, |slot| {
            let list = requires(found[slot as usize]).iter();
            list.filter_map(|it| step(&it.flag, it.variant.as_deref())).collect()
        });
        let resolve = |definition: &SharedDefinition| {
            let mut resolved = Resolved::new(definition.clone(), 0);
            resolved.set_time(time);
            resolved
        };
        let others = found.iter().zip(0..).map(|(definition, slot)| match definition {
            Some(definition) if slot > 0 => {
                Plan::compile(names.name(slot), &resolve(definition), None)
            }
            _ => Plan::Absent,
        });
        let others = others.collect();
        let requirements = (!requires(Some(definition)).is_empty()).then_some(requirements);
        Self { plan: Plan::compile(key, &resolve(definition), requirements), others }
    }

    /// Evaluates the flag for `context`.
    pub(crate) fn evaluate(&self, context: &Context<'_>) -> Evaluation<'_> {
        let others = |slot: Slot| self.others.get(slot as usize)?.by_itself(context, &mut ());
        let evaluation = self.plan.evaluate(context, others, &mut ());
        evaluation.expect("a plan that was compiled of a definition")
    }
}

fn requires(definition: Option<&SharedDefinition>) -> &[Prerequisite] {
    let list = definition.and_then(|definition| definition.rare().requires.value());
    list.map_or(&[], Vec::as_slice)
}
