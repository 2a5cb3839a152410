"""What is measured: the tasks, their labels, their metrics, and the files of predictions that anyone can score."""
