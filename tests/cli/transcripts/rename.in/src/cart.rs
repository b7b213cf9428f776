fn cart(flags: &Flags, context: &Context<'_>) -> Cart {
    // The old cart goes with `checkout`.
    match flags.is_enabled("checkout", context) {
        true => Cart::one_page(),
        false => Cart::old(),
    }
}
