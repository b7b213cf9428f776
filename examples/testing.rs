//! Tests of a service that uses flags.
//!
//! ```console
//! $ cargo run --example testing --features testing
//! ```

use flagstaff::{
    Context, FlagName, Flags,
    testing::{Overrides, assert_evaluated, both, with_overrides},
};

// The feature `codegen` generates constants like this one from a flags.toml.
const FREE_SHIPPING: FlagName = FlagName::new("free_shipping");

/// Code under test that takes its flags as an argument.
fn shipping_cost(flags: &Flags, user: &str) -> u32 {
    if flags.is_enabled(FREE_SHIPPING, &Context::user(user)) { 0 } else { 499 }
}

/// Code under test that uses the flags in scope, as a handler behind a request layer does.
async fn receipt(items: u32) -> String {
    let shipping = if flagstaff::is_enabled(FREE_SHIPPING) { 0 } else { 499 };
    format!("{} cents", items + shipping)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Flags without files, runtime or network. A flag that is not set here panics.
    let flags = Flags::for_test().on(FREE_SHIPPING).start();
    assert_eq!(shipping_cost(&flags, "ana"), 0);

    let flags = Flags::for_test().on_for(FREE_SHIPPING, "ana").start();
    assert_eq!(shipping_cost(&flags, "ana"), 0);
    assert_eq!(shipping_cost(&flags, "bob"), 499);

    // Fails if the code never evaluates the flag, for example because the flag was renamed.
    flags.assert_evaluated(FREE_SHIPPING);

    // An override for one closure or one future. Tests that run at the same time are not affected.
    let overridden = Overrides::new().on(FREE_SHIPPING).run(|| shipping_cost(&flags, "bob"));
    assert_eq!(overridden, 0);
    assert_eq!(shipping_cost(&flags, "bob"), 499);

    // Code that uses the flags in scope needs no request layer within overrides.
    let free = async {
        assert_eq!(receipt(1_000).await, "1000 cents");
        assert_evaluated(FREE_SHIPPING);
    };
    with_overrides([(FREE_SHIPPING, true)], free).await;

    // Runs the code with the flag on and off. A panic names the side that failed.
    let receipts = both(FREE_SHIPPING).run_async(async || receipt(1_000).await).await;
    assert_eq!((&*receipts.on, &*receipts.off), ("1000 cents", "1499 cents"));
}
