int* a = new int;
