"""What a person or a schedule asks for: a cycle, the daemon around it, the verbs beside it."""
