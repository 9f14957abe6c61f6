-- A copy of the database knows no key and no secret.
UPDATE sms_gateway
   SET clickatell_api_key = NULL,
       clickatell_password = NULL,
       clickatell_callback_user = NULL,
       clickatell_callback_password = NULL
 WHERE code = 'clickatell';
