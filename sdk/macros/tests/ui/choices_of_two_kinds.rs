use bandstand::prelude::*;

#[derive(Choices, Clone, Copy)]
pub enum Size {
    #[choice("s")]
    Small,
    #[choice(2)]
    Large,
    #[choice("s")]
    Tiny(i32),
}

fn main() {}
