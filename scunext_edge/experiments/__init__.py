"""Many trainings that answer one question: the paper's table, its ablation, or your own."""
