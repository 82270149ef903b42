//! Counts the words of the report. Every word of running text, headings and footnotes counts. Every number taken from a file
//! and every formula counts as one word. Figures and tables with their captions, citations, code and the bibliography do not
//! count.

use typst_syntax::{SyntaxKind, SyntaxNode, parse};

/// The limit of the coursework.
pub const MOST: usize = 3000;

/// The number of words of one source.
pub fn words(source: &str) -> usize {
    let mut text = String::new();
    gather(&parse(source), &mut text);
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Adds the text of `node` that a reader sees to `text`.
fn gather(node: &SyntaxNode, text: &mut String) {
    match node.kind() {
        SyntaxKind::Text | SyntaxKind::Escape => text.push_str(node.leaf_text()),
        SyntaxKind::SmartQuote => text.push('\''),
        SyntaxKind::Shorthand => text.push('-'),
        SyntaxKind::Space | SyntaxKind::Parbreak | SyntaxKind::Linebreak => text.push(' '),
        SyntaxKind::Raw | SyntaxKind::Equation => text.push_str("formula"),
        SyntaxKind::Ref
        | SyntaxKind::LetBinding
        | SyntaxKind::SetRule
        | SyntaxKind::ShowRule
        | SyntaxKind::ModuleImport
        | SyntaxKind::ModuleInclude => {}
        SyntaxKind::FuncCall => {
            let called = node.children().next().map(|name| name.full_text().to_string());
            // Tables and pictures are in figures.
            if called.is_some_and(|name| name == "figure") {
                return;
            }
            // Running text in brackets, or a number.
            let before = text.len();
            node.children().for_each(|child| brackets(child, text));
            if text.len() == before {
                text.push_str("number");
            }
        }
        SyntaxKind::FieldAccess | SyntaxKind::Ident => text.push_str("number"),
        _ => node.children().for_each(|child| gather(child, text)),
    }
}

/// Adds the content blocks among the arguments of a call.
fn brackets(node: &SyntaxNode, text: &mut String) {
    match node.kind() {
        SyntaxKind::ContentBlock => gather(node, text),
        SyntaxKind::Args => node.children().for_each(|child| brackets(child, text)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_text_counts_and_captions_do_not() {
        assert_eq!(words("Two words"), 2);
        assert_eq!(words("= A heading\nIt's -- here: 3.5 %, the model's *own* _text_."), 9);
        assert_eq!(words("Loss $x^2 + 1$ of #loss(\"a\", 3), @ho2020 and #emph[two words]."), 7);
        assert_eq!(words("#let a = [many words that only prepare]\n#set text(size: 9pt)\nOne"), 1);
        assert_eq!(
            words("#figure(image(\"a.png\"), caption: [A caption of words]) <fig>\nAfter @fig it."),
            2
        );
        assert_eq!(words("// a comment\n- An item\n+ Another"), 3);
        assert_eq!(words("A word #footnote[and three below] more."), 6);
    }
}
