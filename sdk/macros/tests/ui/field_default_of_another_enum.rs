use bandstand::prelude::*;

#[derive(Choices, Clone, Copy)]
pub enum Size {
    Small,
}

#[derive(Choices, Clone, Copy)]
pub enum Colour {
    Red,
}

#[derive(Model)]
pub struct Shirt {
    pub id: Id<Self>,
    #[field(default = Colour::Red)]
    pub size: Size,
}

app! {
    name: "tests",
}

fn main() {}
