const char* a = "SELECT 1";
