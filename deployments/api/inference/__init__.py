"""What a request computes: champion, kept states, observations. A refusal is a Problem, which the app answers."""
