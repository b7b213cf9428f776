//! Layers in memory that say about one flag what the real ones say.

use flagstaff::{Flags, Memory, backend::Offer};

use crate::{failure::Failure, place::Once};

/// Flags that can be changed without harm. What can be written to is a [`Memory`].
pub(super) async fn of(flags: &Flags, name: &str) -> Result<Flags, Failure> {
    let mut writable = Memory::new();
    let mut below = Vec::new();
    for said in flags.layers_of(name) {
        match said.layer {
            "redis" => writable = writable.with(name, said.entry),
            layer => below.push(Once::new(layer, Offer::from_iter([(name, said.entry)]))),
        }
    }
    let builder =
        below.into_iter().fold(Flags::builder().layer(writable), |flags, layer| flags.layer(layer));
    Ok(builder.start().await?)
}
