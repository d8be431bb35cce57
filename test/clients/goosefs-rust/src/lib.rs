// Why: both programs say in the same form which operations did what they should. How: one line of
// JSON at the end, as the programs in Python print it.
use std::future::Future;

/// Bytes that differ at every place, by name.
pub fn content(name: &str, length: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(0x9e37_79b9_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte as u64));
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

#[derive(Default)]
pub struct Outcomes(Vec<String>);

impl Outcomes {
    pub async fn tried<F: Future<Output = Result<(), Box<dyn std::error::Error>>>>(&mut self, name: &str, operation: F) {
        let outcome = match operation.await {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        self.0.push(format!("{}:{}", quoted(name), quoted(&outcome)));
    }

    pub fn print(&self) {
        println!("{{\"operations\":{{{}}},\"files\":{{}}}}", self.0.join(","));
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Fails with what was found and what was wanted.
pub fn equal<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<(), Box<dyn std::error::Error>> {
    if found == wanted {
        return Ok(());
    }
    let text = format!("{found:?}, not {wanted:?}");
    Err(text.chars().take(300).collect::<String>().into())
}
