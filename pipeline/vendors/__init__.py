"""What vendors and services send: a folder for each feed has its contract, from which its columns come."""
